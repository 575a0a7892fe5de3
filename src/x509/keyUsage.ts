import { X509Certificate } from "node:crypto";
import { readElement } from "./der.ts";
import { EXTENSION, extensionOf } from "./extension.ts";

/** Names as in RFC 5280 §4.2.1.3, in the order of their bits. */
const KEY_USAGES = [
  "digitalSignature",
  "nonRepudiation",
  "keyEncipherment",
  "dataEncipherment",
  "keyAgreement",
  "keyCertSign",
  "cRLSign",
  "encipherOnly",
  "decipherOnly",
] as const;
export type KeyUsageName = (typeof KEY_USAGES)[number];

export interface Usages {
  /** null: the extension is absent, which allows everything. */
  readonly keyUsage: readonly KeyUsageName[] | null;
  /** Object identifiers in dotted form; null: the extension is absent. */
  readonly extendedKeyUsage: readonly string[] | null;
}

/** What a certificate's key may be used for. Throws when `pem` holds no certificate. */
export function readUsages(pem: string): Usages {
  const certificate = new X509Certificate(pem);
  return {
    keyUsage: readKeyUsage(certificate.raw),
    // Node's `keyUsage` is the *extended* key usage, and undefined without the extension.
    extendedKeyUsage: certificate.keyUsage ?? null,
  };
}

/** null: the extension is absent. `certificate` in DER. */
export function readKeyUsage(certificate: Uint8Array): readonly KeyUsageName[] | null {
  const value = extensionOf(certificate, EXTENSION.keyUsage);
  if (value === null) return null;
  // A BIT STRING begins with the number of unused bits; bit 0 is the highest of the first octet (X.690 §8.6.2).
  const bits = readElement(value).content.subarray(1);
  return KEY_USAGES.filter((_, bit) => ((bits[bit >> 3] ?? 0) & (0x80 >> (bit % 8))) !== 0);
}
