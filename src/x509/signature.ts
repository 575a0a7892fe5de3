import { type KeyObject, verify } from "node:crypto";
import { type DerElement, elementsOf, oidContent, readElement, TAG } from "./der.ts";

/**
 * The hash of each signature algorithm (RFC 4055, RFC 5758); the key says which algorithm it is. SHA-1 is not accepted.
 */
const HASHES = new Map(
  Object.entries({
    "1.2.840.113549.1.1.11": "sha256",
    "1.2.840.113549.1.1.12": "sha384",
    "1.2.840.113549.1.1.13": "sha512",
    "1.2.840.10045.4.3.2": "sha256",
    "1.2.840.10045.4.3.3": "sha384",
    "1.2.840.10045.4.3.4": "sha512",
  }).map(([oid, hash]) => [Buffer.from(oidContent(oid)).toString("hex"), hash]),
);

/** The common form of certificates, lists and requests (RFC 5280 §4.1.1): signed content, algorithm, signature. */
export interface Signed {
  readonly content: DerElement;
  readonly algorithm: DerElement;
  readonly signature: DerElement;
}

/** Reads a structure of these three parts. Null: it is none. */
export function readSigned({ tag, content }: DerElement): Signed | null {
  const [signed, algorithm, signature] = tag === TAG.sequence ? elementsOf(content).toArray() : [];
  if (signed === undefined || algorithm === undefined || signature?.tag !== TAG.bitString) return null;
  return { content: signed, algorithm, signature };
}

/** Throws a TypeError when the algorithm is not supported. */
export function isSignedBy({ content, algorithm, signature }: Signed, key: KeyObject): boolean {
  const hash = HASHES.get(Buffer.from(readElement(algorithm.content).content).toString("hex"));
  if (hash === undefined) throw new TypeError("it is signed by an algorithm that is not supported");
  // A BIT STRING begins with the number of its unused bits.
  return signature.content[0] === 0 && verify(hash, content.whole, key, signature.content.subarray(1));
}
