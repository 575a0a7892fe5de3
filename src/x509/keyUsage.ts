// @peculiar/x509 throws at import unless reflect-metadata came first.
import "reflect-metadata";
import { X509Certificate } from "node:crypto";
import { KeyUsageFlags, KeyUsagesExtension, X509Certificate as PeculiarCertificate } from "@peculiar/x509";

/** Names as in RFC 5280 §4.2.1.3. */
const KEY_USAGES = [
  ["digitalSignature", KeyUsageFlags.digitalSignature],
  ["nonRepudiation", KeyUsageFlags.nonRepudiation],
  ["keyEncipherment", KeyUsageFlags.keyEncipherment],
  ["dataEncipherment", KeyUsageFlags.dataEncipherment],
  ["keyAgreement", KeyUsageFlags.keyAgreement],
  ["keyCertSign", KeyUsageFlags.keyCertSign],
  ["cRLSign", KeyUsageFlags.cRLSign],
  ["encipherOnly", KeyUsageFlags.encipherOnly],
  ["decipherOnly", KeyUsageFlags.decipherOnly],
] as const;
export type KeyUsageName = (typeof KEY_USAGES)[number][0];

export interface Usages {
  /** null: the extension is absent, which allows everything. */
  readonly keyUsage: readonly KeyUsageName[] | null;
  /** Object identifiers in dotted form; null: the extension is absent. */
  readonly extendedKeyUsage: readonly string[] | null;
}

/** What a certificate's key may be used for. Throws when `pem` holds no certificate. */
export function readUsages(pem: string): Usages {
  const certificate = new X509Certificate(pem);
  const flags = new PeculiarCertificate(new Uint8Array(certificate.raw)).getExtension(KeyUsagesExtension)?.usages;
  return {
    keyUsage: flags === undefined ? null : KEY_USAGES.filter(([, flag]) => (flags & flag) !== 0).map(([name]) => name),
    // Node's `keyUsage` is the *extended* key usage, and undefined without the extension.
    extendedKeyUsage: certificate.keyUsage ?? null,
  };
}
