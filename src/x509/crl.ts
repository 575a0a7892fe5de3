import { X509Certificate } from "node:crypto";
import { canonicalSerial } from "../domain/version.ts";
import { contextTag, type DerElement, elementsOf, oidContent, readElement, TAG } from "./der.ts";
import { EXTENSION, extensionOf, findExtension, isCritical } from "./extension.ts";
import { readKeyUsage } from "./keyUsage.ts";
import { isSignedBy, readSigned, type Signed } from "./signature.ts";

/** CAs issue one distribution point for each of several reasons at most. */
const POINTS_MAX = 4;
const PLAIN_URL = /^https?:\/\/[\x21-\x7e]{1,2000}$/;

const NO_LIST = "it is not a certificate revocation list";
const REASON_CODE = "2.5.29.21";
const INVALIDITY_DATE = "2.5.29.24";
/** RFC 5280 §5.3.1, by number. */
const REASONS = [
  "unspecified",
  "keyCompromise",
  "cACompromise",
  "affiliationChanged",
  "superseded",
  "cessationOfOperation",
  "certificateHold",
  "unused",
  "removeFromCRL",
  "privilegeWithdrawn",
  "aACompromise",
];

export interface CrlEntry {
  /** ms since epoch. */
  readonly at: number;
  readonly reason: string;
}

/**
 * The http and https URLs of the lists that the certificate's own issuer signs, one for each distribution point (RFC
 * 5280 §4.2.1.13). `certificate` in DER.
 */
export function crlUrls(certificate: Uint8Array): string[] {
  const value = extensionOf(certificate, EXTENSION.crlDistributionPoints);
  if (value === null) return [];
  const points = [...elementsOf(readElement(value).content)].slice(0, POINTS_MAX);
  return [...new Set(points.flatMap(({ content }) => urlOf(content) ?? []))];
}

function urlOf(point: Uint8Array): string | null {
  const parts = [...elementsOf(point)];
  // `cRLIssuer`: another party signs the list, whose certificate is not available here.
  if (parts.some(({ tag }) => tag === contextTag(2, "constructed"))) return null;
  const name = parts.find(({ tag }) => tag === contextTag(0, "constructed"));
  const fullName = name && [...elementsOf(name.content)].find(({ tag }) => tag === contextTag(0, "constructed"));
  for (const { tag, content } of fullName ? elementsOf(fullName.content) : []) {
    const url = Buffer.from(content).toString("latin1");
    if (tag === contextTag(6, "primitive") && PLAIN_URL.test(url) && URL.canParse(url) && new URL(url).username === "")
      return url;
  }
  return null;
}

/**
 * Which of these serials (upper-case hex) the list revokes. Throws a TypeError when this is no list, is another
 * issuer's, is not signed by its issuer, or needs rules that are not implemented here (RFC 5280 §6.3.3). A list that is
 * out of date is still right about what it revokes.
 */
export function revokedIn(list: Uint8Array, issuerPem: string, serials: readonly string[]): Map<string, CrlEntry> {
  const signed = readSigned(readElement(list));
  if (signed === null) throw new TypeError(NO_LIST);
  const issuer = new X509Certificate(issuerPem);
  const { algorithmInside, issuerName, revoked, extensions } = readTbs(signed.content);
  // RFC 5280 §5.1.1.2: what is outside the signature must repeat what is inside.
  if (!Buffer.from(algorithmInside.whole).equals(signed.algorithm.whole)) throw new TypeError(NO_LIST);
  if (!Buffer.from(issuerName.whole).equals(subjectOf(issuer.raw))) throw new TypeError("it is of another issuer");
  checkSignature(issuer, signed);
  checkScope(extensions);
  const found = new Map<string, CrlEntry>();
  if (revoked === null) return found;
  const wanted = new Map(serials.map((serial) => [canonicalSerial(serial), serial]));
  // Most lists name none of the serials, and a byte search is a hundred times faster than reading a million entries.
  const bytes = Buffer.from(revoked.buffer, revoked.byteOffset, revoked.byteLength);
  if (![...wanted.keys()].some((serial) => bytes.includes(serial, 0, "hex"))) return found;
  for (const { content } of elementsOf(revoked)) {
    const serial = wanted.get(canonicalSerial(hex(readElement(content).content)));
    const entry = serial === undefined ? null : readEntry(content);
    if (serial !== undefined && entry !== null) found.set(serial, entry);
  }
  return found;
}

interface Tbs {
  readonly algorithmInside: DerElement;
  readonly issuerName: DerElement;
  readonly revoked: Uint8Array | null;
  /** What is inside their explicit tag. */
  readonly extensions: Uint8Array | null;
}

/** RFC 5280 §5.1.2: version?, signature, issuer, thisUpdate, nextUpdate?, revokedCertificates?, [0] crlExtensions? */
function readTbs(tbs: DerElement): Tbs {
  const parts = elementsOf(tbs.content).toArray();
  if (parts[0]?.tag === TAG.integer) parts.shift();
  const [algorithmInside, issuerName, , ...rest] = parts;
  if (algorithmInside === undefined || issuerName === undefined) throw new TypeError(NO_LIST);
  return {
    algorithmInside,
    issuerName,
    revoked: rest.find(({ tag }) => tag === TAG.sequence)?.content ?? null,
    extensions: rest.find(({ tag }) => tag === contextTag(0, "constructed"))?.content ?? null,
  };
}

/** RFC 5280 §4.1: [0] version?, serialNumber, signature, issuer, validity, subject, … */
function subjectOf(certificate: Uint8Array): Uint8Array {
  const parts = elementsOf(readElement(readElement(certificate).content).content).toArray();
  if (parts[0]?.tag === contextTag(0, "constructed")) parts.shift();
  return parts[4]?.whole ?? new Uint8Array();
}

function checkSignature(issuer: X509Certificate, signed: Signed): void {
  const usage = readKeyUsage(issuer.raw);
  if (usage !== null && !usage.includes("cRLSign")) throw new TypeError("its issuer's certificate may not sign lists");
  if (!isSignedBy(signed, issuer.publicKey)) throw new TypeError("its signature is not its issuer's");
}

/** Refuses a list about changes only, about others' certificates, or under unknown rules. */
function checkScope(extensions: Uint8Array | null): void {
  for (const { content } of extensions === null ? [] : elementsOf(readElement(extensions).content)) {
    const point = hex(readElement(content).content) === hex(oidContent(EXTENSION.issuingDistributionPoint));
    if (!point && isCritical(content)) throw new TypeError("it has a critical extension that is not known");
  }
  const scope = findExtension(extensions, EXTENSION.issuingDistributionPoint);
  const indirect =
    scope && elementsOf(readElement(scope).content).find(({ tag }) => tag === contextTag(4, "primitive"));
  if (indirect) throw new TypeError("it is an indirect list");
}

/** RFC 5280 §5.3: userCertificate, revocationDate, crlEntryExtensions?. null: taken off the list again. */
function readEntry(entry: Uint8Array): CrlEntry | null {
  const [, date, extensions] = elementsOf(entry).toArray();
  if (date === undefined) throw new TypeError("an entry without a date");
  const known = [REASON_CODE, INVALIDITY_DATE].map((oid) => hex(oidContent(oid)));
  for (const { content } of extensions === undefined ? [] : elementsOf(extensions.content)) {
    if (isCritical(content) && !known.includes(hex(readElement(content).content)))
      throw new TypeError("an entry has a critical extension that is not known");
  }
  const code = extensions === undefined ? null : findExtension(extensions.whole, REASON_CODE);
  const reason = code === null ? "unspecified" : (REASONS[readElement(code).content[0] ?? 0] ?? "unspecified");
  return reason === "removeFromCRL" ? null : { at: timeOf(date), reason };
}

/** `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` (RFC 5280 §4.1.2.5). */
function timeOf({ tag, content }: DerElement): number {
  const text = Buffer.from(content).toString("latin1");
  // Two digits mean 1950 to 2049.
  const full = tag === TAG.utcTime ? `${Number(text.slice(0, 2)) < 50 ? "20" : "19"}${text}` : text;
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(full) ?? [];
  const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(at)) throw new TypeError("a date that is none");
  return at;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
