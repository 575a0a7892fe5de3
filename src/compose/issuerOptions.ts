import { dirname } from "node:path";
import type { IssuerOptions } from "../acme/issuer.ts";
import type { Config, IssuerConfig } from "../config/config.ts";
import { processEnvironment } from "../config/read/environment.ts";
import { readSecret } from "../config/read/readSecret.ts";
import type { Accounts } from "../domain/issuer.ts";

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

/**
 * An issuer that was renamed has its account under its old name until a planner applies the new configuration. An order
 * that comes first must not register another one.
 */
export function accountsByDirectory(accounts: Accounts, configured: readonly string[]): Accounts {
  return {
    ...accounts,
    async get(issuer, directory) {
      const known = await accounts.get(issuer, directory);
      if (known !== null) return known;
      const before = await accounts.follow(issuer, directory, configured);
      return before === null ? null : accounts.get(issuer, directory);
    },
  };
}
