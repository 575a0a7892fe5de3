import { X509Certificate } from "node:crypto";
import { RenewalError } from "../domain/errors.ts";
import type { Identifier } from "../domain/identifier.ts";
import type { Secret } from "../domain/secret.ts";
import type { Leaf } from "../domain/version.ts";
import { keyMatches } from "./key.ts";
import { canonicalIdentifier, leafOf } from "./leaf.ts";

/** CAs backdate notBefore to forgive slow clocks; one this far ahead means our clock or theirs is wrong. */
const CLOCK_SKEW_MAX_MS = 5 * 60_000;

export interface Issued {
  readonly leafPem: string;
  /** In the order the CA sent them, leaf's issuer first. A root at the end is allowed. */
  readonly chainPem: readonly string[];
  readonly privateKey: Secret;
  /** The names that were asked for. */
  readonly identifiers: readonly Identifier[];
  /** ms since epoch. */
  readonly now: number;
}

/**
 * Throws `acme.badCertificate`, which says exactly what is wrong with the CA's certificate, or returns the leaf's
 * facts. Without the root, a chain that lacks only its last intermediate cannot be distinguished from a whole one.
 */
export function checkIssued(issued: Issued): Leaf {
  const certificate = parse("certificate", () => new X509Certificate(issued.leafPem));
  const leaf = parse("certificate", () => leafOf(certificate));
  if (!keyMatches(certificate, issued.privateKey)) refuse("it was issued for another key than the one we sent");
  checkNames(leaf.identifiers, issued.identifiers);
  checkDates("it", leaf.notBefore, leaf.notAfter, issued.now);
  checkChain(certificate, issued);
  return leaf;
}

function checkNames(present: readonly Identifier[], requested: readonly Identifier[]): void {
  const have = new Set(present.map(nameKey));
  const want = new Set(requested.map(nameKey));
  const missing = [...want].filter((name) => !have.has(name));
  if (missing.length > 0) refuse(`it lacks the requested ${listNames(missing)}`);
  const extra = [...have].filter((name) => !want.has(name));
  if (extra.length > 0) refuse(`it holds ${listNames(extra)}, which nobody requested`);
}

function nameKey(identifier: Identifier): string {
  return canonicalIdentifier(identifier).value;
}

function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => name.slice(0, 100));
  const more = names.length > 5 ? ` and ${names.length - 5} more` : "";
  return `${names.length === 1 ? "name" : "names"} ${shown.join(", ")}${more}`;
}

function checkChain(leaf: X509Certificate, issued: Issued): void {
  if (issued.chainPem.length === 0 && !isSelfSigned(leaf)) {
    refuse(`the chain is incomplete: the certificate of its issuer ${nameOf(leaf.issuer)} is missing`);
  }
  let child = leaf;
  for (const [index, pem] of issued.chainPem.entries()) {
    const place = `chain certificate ${index + 1}`;
    const parent = parse(place, () => new X509Certificate(pem));
    if (!child.checkIssued(parent))
      refuse(
        `the chain is not in order: ${place} (${nameOf(parent.subject)}) is not the issuer of the one before it, ` +
          nameOf(child.issuer),
      );
    if (!parent.ca) refuse(`${place} (${nameOf(parent.subject)}) is no CA certificate`);
    if (!child.verify(parent.publicKey)) refuse(`${place} (${nameOf(parent.subject)}) did not sign the one before it`);
    checkDates(
      `${place} (${nameOf(parent.subject)})`,
      parent.validFromDate.getTime(),
      parent.validToDate.getTime(),
      issued.now,
    );
    child = parent;
  }
}

function checkDates(subject: string, notBefore: number, notAfter: number, now: number): void {
  if (notBefore > now + CLOCK_SKEW_MAX_MS)
    refuse(`${subject} is not valid before ${new Date(notBefore).toISOString()}, which is ahead of our clock`);
  if (notAfter <= now) refuse(`${subject} expired at ${new Date(notAfter).toISOString()}`);
}

/** The chain as servers should send it: a root helps no client, they only trust their own copy (RFC 8446 §4.4.2). */
export function withoutRoot(chainPem: readonly string[]): string[] {
  return chainPem.filter((pem) => !isSelfSigned(new X509Certificate(pem)));
}

function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer && certificate.verify(certificate.publicKey);
}

function nameOf(distinguishedName: string): string {
  return `"${distinguishedName.split("\n").join(", ").slice(0, 200)}"`;
}

function parse<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    return refuse(`the ${what} cannot be read`, cause);
  }
}

function refuse(why: string, cause?: unknown): never {
  throw new RenewalError("acme.badCertificate", `The CA's certificate was refused: ${why}.`, { cause });
}
