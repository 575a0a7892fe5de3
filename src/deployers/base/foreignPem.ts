import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { RenewalError } from "../../domain/errors.ts";

/** Other programs write lower case letters into their labels, such as OpenVPN. */
const BLOCK = /^-----BEGIN ([^-\n]+)-----[^\S\n]*\n[\s\S]*?^-----END \1-----[^\S\n]*$/gm;

/** Where a file that is to be written is. */
export interface Place {
  readonly path: string;
  /** renewd wrote here before, so what is no PEM is damage. Otherwise it belongs to somebody. */
  readonly isOwn: boolean;
  /** SHA-256 of the certificates that renewd wrote here last, leaf and chain; left out: not known. */
  readonly written?: readonly string[] | undefined;
  /** What cannot be kept is overwritten instead of refused. */
  readonly adopt?: boolean | undefined;
}

/** Formats of other programs: no TLS server reads them, so no pair that may be replaced has them. */
const FOREIGN_KEY = /^(?:OPENSSH|SSH2|PGP) /;

/** Blank lines, comments and what OpenSSL prints around keys and certificates. */
const AROUND_PEM =
  /^(?:\s|#|$|(?:Bag|Key) Attributes|Certificate:|(?:subject|issuer|serial|notBefore|notAfter) ?=|\w+ Fingerprint=)/;

/**
 * The new PEM text, with what the text in place holds beside its pair after it, in its order: DH parameters, which
 * HAProxy, Apache and nginx read from the certificate's file, a curve, a list of revoked certificates, certificates
 * that are no part of the pair's chain, and comments. They are settings of people, and a renewal must not lose them.
 * What OpenSSL prints around a key or certificate belongs to that. Throws `deploy.refused` for a file with several
 * private keys, such as Postfix reads: only one of them can belong to the pair that is replaced; and where renewd never
 * wrote, for a file without any PEM, with the key of another kind of program, an encrypted key or lines of another
 * format.
 */
export function keepForeignBlocks(next: string, held: string, place: Place): string {
  const blocks = readableBlocks(held, place);
  const replaced = replacedCertificates(blocks, next, place);
  const lines = blocks.flatMap((block, index) => {
    const isCurveOfKey = block.label === "EC PARAMETERS" && blocks[index + 1]?.label.endsWith("PRIVATE KEY") === true;
    const isReplaced = isCertificate(block.label) ? replaced.has(block) : isKey(block.label) || isCurveOfKey;
    return isReplaced ? block.before.filter(isComment) : [...block.before, ...block.text.split("\n")];
  });
  const kept = [...lines, ...textAfter(held).filter(isComment)].map((line) => line.trim());
  return next + kept.map((line) => (line === "" ? "" : `${line}\n`)).join("");
}

interface Block {
  readonly text: string;
  readonly label: string;
  /** Lines in front of it, up to the block before. */
  readonly before: readonly string[];
}

/** The PEM blocks of a file that may be replaced. Throws what `keepForeignBlocks` throws. */
export function readableBlocks(held: string, { path, isOwn, adopt = false }: Place): readonly Block[] {
  const text = held.replaceAll("\r\n", "\n");
  let end = 0;
  const blocks = [...text.matchAll(BLOCK)].map(([block, label = ""], index, all): Block => {
    const at = all[index]?.index ?? 0;
    const before = text.slice(end, at).split("\n");
    end = at + block.length;
    return { text: block, label, before };
  });
  if (adopt) return blocks;
  const keys = new Set(blocks.filter(({ label }) => label.endsWith("PRIVATE KEY")).map((block) => block.text));
  if (keys.size > 1) {
    throw new RenewalError(
      "deploy.refused",
      `${path} holds ${keys.size} private keys, and writing it would lose ${keys.size - 1}: name another file, move ` +
        "the other keys and their certificates to files of their own, or set `adopt: true`",
    );
  }
  if (!isOwn && held.trim() !== "") refuseSomebodys(path, blocks, held);
  return blocks;
}

/** Throws `deploy.refused` for what was never written by renewd and is more than a pair with its settings. */
function refuseSomebodys(path: string, blocks: readonly Block[], held: string): void {
  if (blocks.length === 0 || blocks.some(({ label }) => FOREIGN_KEY.test(label))) throw notOurs(path);
  const refuse = (what: string): RenewalError =>
    new RenewalError(
      "deploy.refused",
      `${path} was not written by renewd and holds ${what}, so it stays: name another file, move it away, or set ` +
        "`adopt: true`",
    );
  if (blocks.some(isEncryptedKey)) throw refuse("an encrypted private key");
  const around = [...blocks.flatMap(({ before }) => before), ...textAfter(held)];
  if (around.some((line) => !AROUND_PEM.test(line)))
    throw refuse("lines that are no PEM, such as a program's settings");
}

function isEncryptedKey({ label, text }: Block): boolean {
  return label === "ENCRYPTED PRIVATE KEY" || (isKey(label) && /^Proc-Type: 4,ENCRYPTED/m.test(text));
}

/** Throws what `keepForeignBlocks` throws for a file that is too long to be a pair. */
export function refuseTooLong({ path, isOwn, adopt = false }: Place): void {
  if (!isOwn && !adopt) throw notOurs(path);
}

/**
 * Throws `deploy.refused` for a file that renewd could replace but not read, so that nobody knows what would be lost.
 */
export function refuseUnreadable({ path, adopt = false }: Place): void {
  if (adopt) return;
  throw new RenewalError(
    "deploy.refused",
    `${path} cannot be read, so what it holds beside a pair would be lost: let renewd's user read it, name another ` +
      "file, or set `adopt: true`",
  );
}

/**
 * The certificates of the pair that is replaced: those that renewd wrote, if its leaf is still there, else the leaf and
 * all that issued it. Any other one is somebody's. What cannot be read is of no use to anybody.
 */
function replacedCertificates(blocks: readonly Block[], next: string, { written }: Place): ReadonlySet<Block> {
  const coming = new Set([...next.matchAll(BLOCK)].map(([text]) => fingerprintOf(parsed(text))));
  const all = blocks.filter(({ label }) => isCertificate(label)).map((block) => ({ block, read: parsed(block.text) }));
  const leaf = leafOf(blocks, all);
  const issuers = leaf === null ? new Set<X509Certificate>() : withIssuers(leaf, all);
  const known = leaf !== null && written?.includes(fingerprintOf(leaf)) === true ? written : null;
  const isReplaced = (read: X509Certificate | null): boolean => {
    if (read === null || coming.has(fingerprintOf(read))) return true;
    return known === null ? issuers.has(read) : known.includes(fingerprintOf(read));
  };
  return new Set(all.filter(({ read }) => isReplaced(read)).map(({ block }) => block));
}

interface Read {
  readonly block: Block;
  readonly read: X509Certificate | null;
}

/** The one that fits the key beside it, else the first. */
function leafOf(blocks: readonly Block[], all: readonly Read[]): X509Certificate | null {
  const certificates = all.flatMap(({ read }) => (read === null ? [] : [read]));
  const key = blocks.find(({ label }) => label.endsWith("PRIVATE KEY"));
  return certificates.find((one) => key !== undefined && fits(one, key.text)) ?? certificates[0] ?? null;
}

function fits(certificate: X509Certificate, keyPem: string): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(keyPem));
  } catch {
    return false;
  }
}

function withIssuers(leaf: X509Certificate, all: readonly Read[]): ReadonlySet<X509Certificate> {
  const found = new Set([leaf]);
  // A set visits what is added on the way.
  for (const one of found) for (const { read } of all) if (read !== null && one.checkIssued(read)) found.add(read);
  return found;
}

function parsed(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    return null;
  }
}

function fingerprintOf(certificate: X509Certificate | null): string {
  return certificate === null ? "" : createHash("sha256").update(certificate.raw).digest("hex");
}

function isKey(label: string): boolean {
  return label.endsWith("PRIVATE KEY") && !FOREIGN_KEY.test(label);
}

function isCertificate(label: string): boolean {
  return /^(?:X509 |TRUSTED )?CERTIFICATE$/.test(label);
}

function isComment(line: string): boolean {
  return line.trimStart().startsWith("#");
}

/** Lines after the last block. */
function textAfter(held: string): string[] {
  const text = held.replaceAll("\r\n", "\n");
  const last = [...text.matchAll(BLOCK)].at(-1);
  return last === undefined ? [] : text.slice(last.index + last[0].length).split("\n");
}

function notOurs(path: string): RenewalError {
  return new RenewalError(
    "deploy.refused",
    `${path} was not written by renewd and holds no certificate, key or setting in PEM, so it stays: ` +
      "name another file, move it away, or set `adopt: true`",
  );
}

/** What `keepForeignBlocks` can be asked about. */
export function isPem(content: string | Uint8Array): content is string {
  return typeof content === "string" && content.startsWith("-----BEGIN ");
}
