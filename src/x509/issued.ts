import { X509Certificate } from "node:crypto";
import { RenewalError } from "../domain/errors.ts";
import type { Identifier } from "../domain/identifier.ts";
import type { Secret } from "../domain/secret.ts";
import { nameLine } from "../domain/text.ts";
import type { Leaf } from "../domain/version.ts";
import { keyMatches } from "./key.ts";
import { canonicalIdentifier, leafOf } from "./leaf.ts";

/** CAs backdate notBefore to forgive slow clocks; one this far ahead means our clock or theirs is wrong. */
const CLOCK_SKEW_MAX_MS = 5 * 60_000;
/** Real CAs deliver five at most. */
const CERTIFICATES_MAX = 50;
const CHAIN_LENGTH_MAX = 10;
const CHAINS_MAX = 10;
/** Cross-signed CAs of one name could otherwise be combined without end. */
const COMPARISONS_MAX = 5_000;

export interface Delivered {
  /** PEM, as the CA sent them: normally leaf first, then each one's issuer. */
  readonly certificates: readonly string[];
  readonly privateKey: Secret;
  /** The names that were asked for. */
  readonly identifiers: readonly Identifier[];
  /** ms since epoch. */
  readonly now: number;
}

/** A valid chain, in the order in which servers send it. */
export interface IssuedChain {
  readonly leaf: Leaf;
  readonly leafPem: string;
  /** The leaf's issuer first; a root at the end if the CA delivered it. */
  readonly chainPem: readonly string[];
}

interface Member {
  readonly pem: string;
  readonly certificate: X509Certificate;
  /** 1 for the first that the CA sent. */
  readonly place: number;
}

/**
 * Every valid chain among what the CA delivered, in the CA's order of preference and never empty. A certificate that is
 * repeated, out of order, or belongs to no chain does no harm, because the servers get the chain found here. Throws
 * `acme.badCertificate`, which says exactly what is wrong. Without the root, a chain that lacks only its last
 * intermediate cannot be distinguished from a whole one.
 */
export function issuedChains(delivered: Delivered): readonly IssuedChain[] {
  const { privateKey, identifiers, now } = delivered;
  const { members, unreadable } = readMembers(delivered.certificates);
  const own = members.find(({ certificate }) => certifiesKey(certificate, privateKey));
  if (own === undefined) return refuse(unreadable ?? "it was issued for another key than the one we sent");
  const leaf = readLeafOf(own.certificate);
  checkNames(leaf.identifiers, identifiers);
  checkDates("it", own.certificate, now);
  if (isSelfSigned(own.certificate)) return [{ leaf, leafPem: own.pem, chainPem: [] }];
  const others = members.filter((member) => member !== own);
  const { chains, faults } = search(own, others, now);
  if (chains.length === 0)
    return refuse(
      faults[0] ??
        unreadable ??
        `the chain is incomplete: the certificate of its issuer ${quoted(own.certificate.issuer)} is missing`,
    );
  const whole = chains.filter((chain) => !hasGap(chain, others, now));
  const [broken] = chains;
  if (whole.length === 0 && broken !== undefined) return refuseGap(broken);
  return whole.map((chain) => ({ leaf, leafPem: own.pem, chainPem: chain.map(({ pem }) => pem) }));
}

interface Readable {
  readonly members: readonly Member[];
  /** Says which one cannot be read; null: all can. */
  readonly unreadable: string | null;
}

function readMembers(certificates: readonly string[]): Readable {
  if (certificates.length === 0) refuse("it delivered no certificate");
  if (certificates.length > CERTIFICATES_MAX)
    refuse(`it delivered ${certificates.length} certificates, and renewd reads at most ${CERTIFICATES_MAX}`);
  const seen = new Set<string>();
  const members: Member[] = [];
  let unreadable: string | null = null;
  for (const [index, pem] of certificates.entries()) {
    const certificate = readCertificate(pem);
    if (certificate === null) unreadable ??= `the certificate at place ${index + 1} cannot be read`;
    if (certificate === null || seen.has(certificate.fingerprint256)) continue;
    seen.add(certificate.fingerprint256);
    members.push({ pem, certificate, place: index + 1 });
  }
  return { members, unreadable };
}

function readCertificate(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    return null;
  }
}

interface Search {
  readonly chains: readonly (readonly Member[])[];
  /** Why a certificate that names itself the issuer was not used. */
  readonly faults: readonly string[];
}

/** Depth first, in the order delivered: the CA's own chain is found first. */
function search(leaf: Member, others: readonly Member[], now: number): Search {
  const chains: Member[][] = [];
  const faults: string[] = [];
  let comparisons = 0;
  const follow = (child: Member, chain: readonly Member[]): void => {
    const issuers: Member[] = [];
    for (const candidate of others) {
      comparisons += 1;
      if (comparisons > COMPARISONS_MAX) return;
      if (chain.includes(candidate) || !isNamedIssuer(child.certificate, candidate.certificate)) continue;
      const fault = faultOf(child.certificate, candidate, now);
      if (fault === null) issuers.push(candidate);
      else faults.push(fault);
    }
    const isTop = issuers.length === 0 || isSelfSigned(child.certificate) || chain.length >= CHAIN_LENGTH_MAX;
    if (isTop && chain.length > 0) chains.push([...chain]);
    if (isTop) return;
    for (const issuer of issuers) {
      if (chains.length >= CHAINS_MAX) return;
      follow(issuer, [...chain, issuer]);
    }
  };
  follow(leaf, []);
  return { chains, faults };
}

function isNamedIssuer(child: X509Certificate, parent: X509Certificate): boolean {
  return child.checkIssued(parent) || (child.issuer !== undefined && child.issuer === parent.subject);
}

function faultOf(child: X509Certificate, { certificate: parent, place }: Member, now: number): string | null {
  const what = `the certificate at place ${place} (${quoted(parent.subject)})`;
  if (!parent.ca) return `${what} is no CA certificate`;
  if (!isVerifiedBy(child, parent)) return `${what} did not sign the one below it`;
  return datesFault(what, parent, now);
}

/** The CA delivered a root, but nothing leads there: a certificate in between is missing. */
function hasGap(chain: readonly Member[], others: readonly Member[], now: number): boolean {
  const top = chain.at(-1);
  if (top === undefined || isSelfSigned(top.certificate)) return false;
  return others.some(
    (other) =>
      !chain.includes(other) &&
      isSelfSigned(other.certificate) &&
      datesFault("", other.certificate, now) === null &&
      !isNamedIssuer(top.certificate, other.certificate),
  );
}

function refuseGap(chain: readonly Member[]): never {
  const top = chain.at(-1)?.certificate;
  return refuse(
    `the chain has a gap: the certificate of ${quoted(top?.issuer)}, which issued ${quoted(top?.subject)}, is missing`,
  );
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

function checkDates(subject: string, certificate: X509Certificate, now: number): void {
  const fault = datesFault(subject, certificate, now);
  if (fault !== null) refuse(fault);
}

function datesFault(subject: string, { validFromDate, validToDate }: X509Certificate, now: number): string | null {
  const [notBefore, notAfter] = [validFromDate.getTime(), validToDate.getTime()];
  if (Number.isNaN(notBefore) || Number.isNaN(notAfter)) return `${subject} has dates that cannot be read`;
  if (notBefore > now + CLOCK_SKEW_MAX_MS)
    return `${subject} is not valid before ${validFromDate.toISOString()}, which is ahead of our clock`;
  return notAfter <= now ? `${subject} expired at ${validToDate.toISOString()}` : null;
}

/** The chain as servers should send it: a root helps no client, they only trust their own copy (RFC 8446 §4.4.2). */
export function withoutRoot(chainPem: readonly string[]): string[] {
  return chainPem.filter((pem) => !isSelfSigned(new X509Certificate(pem)));
}

function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer && isVerifiedBy(certificate, certificate);
}

/** Node throws for a key of a kind that it does not know. */
function isVerifiedBy(child: X509Certificate, parent: X509Certificate): boolean {
  try {
    return child.verify(parent.publicKey);
  } catch {
    return false;
  }
}

function certifiesKey(certificate: X509Certificate, privateKey: Secret): boolean {
  try {
    return keyMatches(certificate, privateKey);
  } catch {
    return false;
  }
}

/** Node gives undefined for an empty distinguished name, although it declares a string. */
function quoted(distinguishedName: string | undefined): string {
  return distinguishedName === undefined ? "without a name" : `"${nameLine(distinguishedName)}"`;
}

function readLeafOf(certificate: X509Certificate): Leaf {
  try {
    return leafOf(certificate);
  } catch (cause) {
    return refuse("the certificate cannot be read", cause);
  }
}

function refuse(why: string, cause?: unknown): never {
  throw new RenewalError("acme.badCertificate", `The CA's certificate was refused: ${why}.`, { cause });
}
