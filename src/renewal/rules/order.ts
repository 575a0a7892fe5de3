import { createHash } from "node:crypto";
import type { Certificate } from "../../domain/certificate.ts";
import type { Identifier } from "../../domain/identifier.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Version } from "../../domain/version.ts";

/** Said only where the CA can honour it (RFC 9773 §5): its own certificate, not expired, with a name in common. Then limits do not apply. */
export function mayReplace(
  { identifiers }: Pick<Certificate, "identifiers">,
  issuer: string,
  predecessor: Version,
  now: number,
): boolean {
  if (predecessor.issuer !== issuer || predecessor.leaf.notAfter <= now) return false;
  const held = new Set(predecessor.leaf.identifiers.map(({ value }) => value));
  return identifiers.some(({ value }) => held.has(value));
}

/** A key that was revoked for may be known to others: it is never used again, nor is one in a mass replacement, which may well be for that. */
export function mayReuseKey({ reuseKey, keyType }: Certificate, { reason }: Renewal, predecessor: Version): boolean {
  return reuseKey && predecessor.keyType === keyType && reason !== "revoked";
}

/**
 * Names what two orders must not have in common at the same time: a CA such as Boulder returns the pending order of the
 * same account and names, so an RSA and an ECDSA certificate for one set of names would finish each other's.
 */
export function orderScope(issuer: string, identifiers: readonly Identifier[]): string {
  const names = [...new Set(identifiers.map(({ type, value }) => `${type}:${value}`))].sort();
  return createHash("sha256")
    .update(JSON.stringify([issuer, names]))
    .digest("hex");
}
