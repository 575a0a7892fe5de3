import { createHash, X509Certificate } from "node:crypto";
import type { ServedCertificate } from "../domain/endpoint.ts";
import { nameLine, sanitize } from "../domain/text.ts";
import { readSubjectAltNames } from "./subjectAltNames.ts";

/** Longest chain recorded. Real chains have one to three; OpenSSL refuses more than 100 kB of certificates. */
const SERVED_CHAIN_MAX = 16;
const NAMES_MAX = 1_000;
const NAME_LENGTH_MAX = 255;

/** The certificates themselves, as long as somebody has what describes them. */
const BEHIND = new WeakMap<ServedCertificate, X509Certificate>();

/** What one server sends again and again is read once. By the fingerprints of all that was sent. */
const READ = new Map<string, ServedCertificate>();
const READ_MAX = 200;

/** The leaf of what `describeServed` described; null: it was read from the database. */
export function leafBehind(served: ServedCertificate): X509Certificate | null {
  return BEHIND.get(served) ?? null;
}

/** `leaf` is the result of `getPeerX509Certificate()`. Its issuers are the rest of the certificate message. */
export function describeServed(leaf: X509Certificate): ServedCertificate {
  const [fingerprint = "", ...chain] = [leaf, ...restInWireOrder(leaf)].map(fingerprintOf);
  const key = [fingerprint, ...chain].join(" ");
  const known = READ.get(key);
  if (known !== undefined) return known;
  const served = {
    fingerprint,
    serial: leaf.serialNumber.toUpperCase(),
    subjectAltNames: namesIn(leaf),
    issuer: nameLine(leaf.issuer),
    notBefore: leaf.validFromDate.getTime(),
    notAfter: leaf.validToDate.getTime(),
    chain,
  };
  BEHIND.set(served, leaf);
  if (READ.size >= READ_MAX) READ.clear();
  READ.set(key, served);
  return served;
}

/** Bounded in number and length. */
export function namesIn({ subjectAltName }: X509Certificate): string[] {
  return readSubjectAltNames(subjectAltName)
    .slice(0, NAMES_MAX)
    .map((name) => sanitize(name, NAME_LENGTH_MAX));
}

/** SHA-256 of the DER, lower-case hex without separators. */
export function fingerprintOf(certificate: X509Certificate): string {
  return createHash("sha256").update(certificate.raw).digest("hex");
}

/**
 * Fingerprints of the certificates after the leaf that a server has to send: up to the first self-signed one. Servers
 * leave a root out, and clients use only their own copy (RFC 8446 §4.4.2).
 */
export function chainToServe(chainPem: readonly string[]): string[] {
  const chain = chainPem.map((pem) => new X509Certificate(pem));
  const root = chain.findIndex((certificate) => certificate.subject === certificate.issuer);
  return (root < 0 ? chain : chain.slice(0, root)).map(fingerprintOf);
}

/**
 * On a client socket, Node links `issuerCertificate` to the next certificate of the message and does not check who
 * signed it (measured on Node 26 with reversed, foreign, repeated and missing intermediates).
 * `getPeerCertificate(true)` cannot be used: it sorts the chain and completes it from its root store. A test fails if
 * Node changes this.
 */
export function restInWireOrder(leaf: X509Certificate): X509Certificate[] {
  const rest: X509Certificate[] = [];
  for (
    let next = leaf.issuerCertificate;
    next !== undefined && rest.length < SERVED_CHAIN_MAX;
    next = next.issuerCertificate
  )
    rest.push(next);
  return rest;
}
