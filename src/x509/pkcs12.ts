import { createDecipheriv, createHash, pbkdf2 } from "node:crypto";
import { promisify } from "node:util";
import type { Secret } from "../domain/secret.ts";
import { contextTag, type DerElement, elementsOf, oidContent, readElement, TAG } from "./der.ts";
import { decryptRc2 } from "./rc2.ts";

const derive = promisify(pbkdf2);

const OID = {
  data: hexOf("1.2.840.113549.1.7.1"),
  encryptedData: hexOf("1.2.840.113549.1.7.6"),
  certBag: hexOf("1.2.840.113549.1.12.10.1.3"),
  x509: hexOf("1.2.840.113549.1.9.22.1"),
  pbes2: hexOf("1.2.840.113549.1.5.13"),
  pbkdf2: hexOf("1.2.840.113549.1.5.12"),
} as const;
/** RFC 7292 appendix C, those that programs wrote; in bytes. */
const OLD_SCHEMES: Readonly<Record<string, { readonly cipher: "des-ede3-cbc" | "rc2"; readonly keyBytes: number }>> = {
  [hexOf("1.2.840.113549.1.12.1.3")]: { cipher: "des-ede3-cbc", keyBytes: 24 },
  [hexOf("1.2.840.113549.1.12.1.5")]: { cipher: "rc2", keyBytes: 16 },
  [hexOf("1.2.840.113549.1.12.1.6")]: { cipher: "rc2", keyBytes: 5 },
};
const CIPHERS: Readonly<Record<string, { readonly name: string; readonly keyBytes: number }>> = {
  [hexOf("2.16.840.1.101.3.4.1.2")]: { name: "aes-128-cbc", keyBytes: 16 },
  [hexOf("2.16.840.1.101.3.4.1.22")]: { name: "aes-192-cbc", keyBytes: 24 },
  [hexOf("2.16.840.1.101.3.4.1.42")]: { name: "aes-256-cbc", keyBytes: 32 },
};
const DIGESTS: Readonly<Record<string, string>> = {
  [hexOf("1.2.840.113549.2.7")]: "sha1",
  [hexOf("1.2.840.113549.2.9")]: "sha256",
  [hexOf("1.2.840.113549.2.10")]: "sha384",
  [hexOf("1.2.840.113549.2.11")]: "sha512",
};

/** A hostile file asks for billions, which would keep this process busy for hours. OpenSSL and Java use 2,048 to 10,000. */
const ITERATIONS_MAX = 1_000_000;
/** Of the older scheme, whose rounds run here and not in a thread of their own. */
const OLD_ITERATIONS_MAX = 50_000;
const CERTIFICATES_MAX = 1_000;
/** Each is tried with every password. */
const PARTS_MAX = 20;

/** Why nothing was read: `locked`: no password fits; `unknown`: encrypted in a way that is not read here. */
export type StoreTrouble = "locked" | "unknown" | "damaged";

export interface StoreContents {
  /** DER. */
  readonly certificates: readonly Uint8Array[];
  readonly trouble: StoreTrouble | null;
}

/**
 * Certificates of a PKCS#12 file (RFC 7292), never its keys. Its MAC is not checked: what is found is no secret, and is
 * believed by nobody. `passwords` are tried after none.
 */
export async function readPkcs12(
  bytes: Uint8Array,
  passwords: readonly Secret[],
  signal: AbortSignal,
): Promise<StoreContents> {
  const certificates: Uint8Array[] = [];
  let trouble: StoreTrouble | null = null;
  try {
    let parts = 0;
    for (const info of elementsOf(readElement(authenticatedSafe(bytes)).content)) {
      signal.throwIfAborted();
      parts += 1;
      if (parts > PARTS_MAX) throw new TypeError("a PKCS#12 file of too many parts");
      const [type, content] = children(info);
      if (isOid(type, OID.data)) certificates.push(...bagsIn(octets(inside(content))));
      else if (isOid(type, OID.encryptedData)) {
        const opened = await openPart(inside(content), passwords);
        if (typeof opened === "string") trouble ??= opened;
        else certificates.push(...opened);
      }
    }
  } catch {
    signal.throwIfAborted();
    trouble ??= "damaged";
  }
  return { certificates: certificates.slice(0, CERTIFICATES_MAX), trouble };
}

/** PFX, then ContentInfo of type data, then its octets. */
function authenticatedSafe(bytes: Uint8Array): Uint8Array {
  const [, info] = children(readElement(bytes));
  const [, content] = children(info);
  return octets(inside(content));
}

async function openPart(
  encryptedData: DerElement,
  passwords: readonly Secret[],
): Promise<readonly Uint8Array[] | StoreTrouble> {
  const [, info] = children(encryptedData);
  const [, algorithm, content] = children(info);
  if (content?.tag !== contextTag(0, "primitive")) return "unknown";
  for (const password of ["", ...passwords.map((secret) => secret.reveal())]) {
    const plain = await decrypt(algorithm, content.content, password);
    if (typeof plain === "string") return plain;
    if (plain === null) continue;
    try {
      return bagsIn(plain);
    } catch {
      // A wrong password decrypts to noise whose padding fits once in 256 times.
    }
  }
  return "locked";
}

/** null: with another password. */
async function decrypt(
  algorithm: DerElement | undefined,
  content: Uint8Array,
  password: string,
): Promise<Uint8Array | null | StoreTrouble> {
  const [scheme, parameters] = children(algorithm);
  if (isOid(scheme, OID.pbes2)) return pbes2(parameters, content, password);
  const old = OLD_SCHEMES[hex(scheme)];
  if (scheme?.tag !== TAG.oid || old === undefined) return "unknown";
  const [salt, rounds] = children(parameters);
  const iterations = numberOf(rounds);
  if (iterations > OLD_ITERATIONS_MAX) return "unknown";
  const from = { password, salt: octets(salt), iterations };
  const key = oldKey({ ...from, id: 1, bytes: old.keyBytes });
  const iv = oldKey({ ...from, id: 2, bytes: 8 });
  return old.cipher === "rc2" ? decryptRc2(key, iv, content) : opened(old.cipher, key, iv, content);
}

/** RFC 8018 §6.2 */
async function pbes2(
  parameters: DerElement | undefined,
  content: Uint8Array,
  password: string,
): Promise<Uint8Array | null | StoreTrouble> {
  const [kdf, encryption] = children(parameters);
  const [kdfType, kdfParameters] = children(kdf);
  const [cipherType, iv] = children(encryption);
  const cipher = CIPHERS[hex(cipherType)];
  const [salt, rounds, ...rest] = children(kdfParameters);
  const prf = rest.find(({ tag }) => tag === TAG.sequence);
  const digest = prf === undefined ? "sha1" : DIGESTS[hex(children(prf)[0])];
  const iterations = numberOf(rounds);
  if (!isOid(kdfType, OID.pbkdf2) || cipher === undefined || digest === undefined || iterations > ITERATIONS_MAX)
    return "unknown";
  const key = await derive(password, octets(salt), iterations, cipher.keyBytes, digest);
  return opened(cipher.name, key, octets(iv), content);
}

function opened(cipher: string, key: Uint8Array, iv: Uint8Array, content: Uint8Array): Uint8Array | null {
  try {
    const decipher = createDecipheriv(cipher, key, iv);
    return Buffer.concat([decipher.update(content), decipher.final()]);
  } catch {
    return null;
  }
}

interface OldKey {
  readonly password: string;
  readonly salt: Uint8Array;
  readonly iterations: number;
  /** 1: a key; 2: an initialization vector. */
  readonly id: number;
  readonly bytes: number;
}

/** RFC 7292 appendix B.2 with SHA-1. */
function oldKey({ password, salt, iterations, id, bytes }: OldKey): Uint8Array {
  const block = 64;
  const text = Buffer.from(`${password}\0`, "utf16le").swap16();
  const input = Buffer.concat([filled(salt, block), filled(text, block)]);
  const found: Buffer[] = [];
  for (let length = 0; length < bytes; length += 20) {
    let a = createHash("sha1").update(Buffer.alloc(block, id)).update(input).digest();
    for (let round = 1; round < iterations; round++) a = createHash("sha1").update(a).digest();
    found.push(a);
    const b = filled(a, block);
    for (let start = 0; start < input.length; start += block) addOne(input.subarray(start, start + block), b);
  }
  return Buffer.concat(found).subarray(0, bytes);
}

/** As often as it takes to fill whole blocks. */
function filled(bytes: Uint8Array, block: number): Buffer {
  const length = block * Math.ceil(bytes.length / block);
  return Buffer.from(Array.from({ length }, (_, index) => bytes[index % bytes.length] ?? 0));
}

/** Adds `b` and one to big-endian `block`, in place. */
function addOne(block: Buffer, b: Buffer): void {
  let carry = 1;
  for (let index = block.length - 1; index >= 0; index--) {
    const sum = (block[index] ?? 0) + (b[index] ?? 0) + carry;
    block[index] = sum & 0xff;
    carry = sum >> 8;
  }
}

/** Certificates among the bags of a SafeContents; keys are left alone. */
function bagsIn(safeContents: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (const bag of elementsOf(readElement(safeContents).content)) {
    const [type, value] = children(bag);
    if (!isOid(type, OID.certBag)) continue;
    const [kind, certificate] = children(inside(value));
    if (isOid(kind, OID.x509)) found.push(octets(inside(certificate)));
    if (found.length > CERTIFICATES_MAX) break;
  }
  return found;
}

function children(element: DerElement | undefined): DerElement[] {
  return element === undefined ? [] : elementsOf(element.content).take(8).toArray();
}

/** What an explicit tag holds. */
function inside(element: DerElement | undefined): DerElement {
  return readElement(element?.content ?? new Uint8Array());
}

function octets(element: DerElement | undefined): Uint8Array {
  if (element?.tag !== TAG.octetString) throw new TypeError("not PKCS#12: octets are missing");
  return element.content;
}

function numberOf(element: DerElement | undefined): number {
  if (element?.tag !== TAG.integer || element.content.length > 6) return Number.POSITIVE_INFINITY;
  return element.content.reduce((sum, octet) => sum * 256 + octet, 0);
}

function isOid(element: DerElement | undefined, oid: string): boolean {
  return element?.tag === TAG.oid && hex(element) === oid;
}

function hex(element: DerElement | undefined): string {
  return Buffer.from(element?.content ?? []).toString("hex");
}

function hexOf(dotted: string): string {
  return Buffer.from(oidContent(dotted)).toString("hex");
}
