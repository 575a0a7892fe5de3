import { createHash } from "node:crypto";
import { checkToken } from "../../domain/challengeToken.ts";
import { PERSIST_LABEL } from "../../domain/dnsPersist.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Identifier } from "../../domain/identifier.ts";
import type { ChallengeResponse } from "../../domain/issuer.ts";
import { sanitize } from "../../domain/text.ts";
import { DNS_NAME } from "./options.ts";

export const CHALLENGE_LABEL = "_acme-challenge";

/** Where the CA looks (RFC 8555 §8.4). Throws `dns.badName` for what cannot exist in DNS. */
export function challengeName({ identifier }: Pick<ChallengeResponse, "identifier">): string {
  return validationName(CHALLENGE_LABEL, identifier);
}

/** Where the CA looks by dns-persist-01 (draft-ietf-acme-dns-persist-02 §4). Throws `dns.badName`. */
export function persistName(identifier: Identifier): string {
  return validationName(PERSIST_LABEL, identifier);
}

function validationName(label: string, identifier: Identifier): string {
  const domain = identifier.value.toLowerCase().replace(/^\*\./, "");
  const name = `${label}.${domain}`;
  // Names come from the CA as well: nothing else than a plain name reaches a provider, a URL or a command.
  if (identifier.type === "dns" && DNS_NAME.test(domain) && DNS_NAME.test(name)) return name;
  throw new RenewalError(
    "dns.badName",
    `${sanitize(identifier.value, 253)} cannot be validated in DNS: ${
      identifier.type === "ip" ? "it is an address" : `${label} before it makes no DNS name of at most 253 characters`
    }.`,
  );
}

/** What the CA wants to find there: base64url(SHA-256(key authorization)). */
export function challengeValue({ token, keyAuthorization }: ChallengeResponse): string {
  checkToken(token);
  return createHash("sha256").update(keyAuthorization).digest("base64url");
}
