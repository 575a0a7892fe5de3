import { createHash } from "node:crypto";
import type { CaBudget } from "../../domain/budget.ts";
import type { Certificate } from "../../domain/certificate.ts";
import type { Identifier } from "../../domain/identifier.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Version } from "../../domain/version.ts";
import { isFromCa } from "./origin.ts";

/**
 * Whether the order may say `replaces` (RFC 9773 §5): only for the CA's own certificate, not expired, with a name in
 * common. Then limits do not apply.
 */
export function mayReplace(
  { identifiers }: Pick<Certificate, "identifiers">,
  ca: Pick<CaBudget, "issuer" | "directory">,
  predecessor: Version,
  now: number,
): boolean {
  if (!isFromCa(predecessor, ca) || predecessor.leaf.notAfter <= now) return false;
  const held = new Set(predecessor.leaf.identifiers.map(({ value }) => value));
  return identifiers.some(({ value }) => held.has(value));
}

/** The key of a revoked certificate may be known to others and is never used again. */
export function mayReuseKey({ reuseKey, keyType }: Certificate, { reason }: Renewal, predecessor: Version): boolean {
  return reuseKey && predecessor.keyType === keyType && reason !== "revoked";
}

/**
 * Two orders of one scope must not be open at the same time: a CA such as Boulder returns the pending order of the same
 * account and names, so an RSA and an ECDSA certificate for one set of names would finish each other's order.
 */
export function orderScope(
  { issuer, directory }: Pick<CaBudget, "issuer" | "directory">,
  identifiers: readonly Identifier[],
): string {
  // By the CA: its name in the configuration may change while an order is open.
  const ca = directory === "" ? issuer : directory;
  const names = [...new Set(identifiers.map(({ type, value }) => `${type}:${value}`))].sort();
  return createHash("sha256")
    .update(JSON.stringify([ca, names]))
    .digest("hex");
}
