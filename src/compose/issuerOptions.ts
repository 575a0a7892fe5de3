import { dirname } from "node:path";
import type { IssuerOptions } from "../acme/issuer.ts";
import type { Config, IssuerConfig } from "../config/config.ts";
import { processEnvironment } from "../config/read/environment.ts";
import { readSecret } from "../config/read/readSecret.ts";

/** The key of an external account is read when a registration needs it: it may be gone once it was used. */
export function issuerOptions(issuer: IssuerConfig, { file }: Pick<Config, "file">): IssuerOptions {
  const { externalAccount } = issuer;
  if (externalAccount === null) return { ...issuer, externalAccount };
  const { keyId, hmacKey } = externalAccount;
  return {
    ...issuer,
    externalAccount: { keyId, hmacKey: () => readSecret(hmacKey, dirname(file), processEnvironment) },
  };
}
