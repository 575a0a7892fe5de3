import { createHash } from "node:crypto";
import { checkToken } from "../../domain/challengeToken.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { ChallengeResponse } from "../../domain/issuer.ts";
import { sanitize } from "../../domain/text.ts";
import { DNS_NAME } from "./options.ts";

export const CHALLENGE_LABEL = "_acme-challenge";

/** Where the CA looks (RFC 8555 §8.4). Throws `dns.badName` for what cannot exist in DNS. */
export function challengeName({ identifier }: Pick<ChallengeResponse, "identifier">): string {
  const domain = identifier.value.toLowerCase().replace(/^\*\./, "");
  const name = `${CHALLENGE_LABEL}.${domain}`;
  // Names come from the CA as well: nothing else than a plain name reaches a provider, a URL or a command.
  if (identifier.type === "dns" && DNS_NAME.test(domain) && DNS_NAME.test(name)) return name;
  throw new RenewalError(
    "dns.badName",
    `${sanitize(identifier.value, 253)} cannot be validated by dns-01: ${
      identifier.type === "ip"
        ? "it is an address"
        : `${CHALLENGE_LABEL} before it makes no DNS name of at most 253 characters`
    }.`,
  );
}

/** What the CA wants to find there: base64url(SHA-256(key authorization)). */
export function challengeValue({ token, keyAuthorization }: ChallengeResponse): string {
  checkToken(token);
  return createHash("sha256").update(keyAuthorization).digest("base64url");
}
