import { childWith, contextTag, elementsOf, oidContent, readElement, TAG } from "./der.ts";

/** Object identifiers of extensions (RFC 5280 §4.2.1). */
export const EXTENSION = {
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  issuingDistributionPoint: "2.5.29.28",
  deltaCrlIndicator: "2.5.29.27",
  crlDistributionPoints: "2.5.29.31",
  authorityKeyIdentifier: "2.5.29.35",
  /** RFC 8737 §3. */
  acmeIdentifier: "1.3.6.1.5.5.7.1.31",
  /** RFC 7633: must-staple. */
  tlsFeature: "1.3.6.1.5.5.7.1.24",
} as const;

/** Attribute of a certificate signing request that holds Extensions (RFC 2985 §5.4.2). */
export const EXTENSION_REQUEST = "1.2.840.113549.1.9.14";

/**
 * The DER inside a certificate's extension; null: there is none. Throws a TypeError when `certificate` is no DER of
 * one.
 */
export function extensionOf(certificate: Uint8Array, oid: string): Uint8Array | null {
  const tbsCertificate = readElement(readElement(certificate).content);
  return findExtension(childWith(contextTag(3, "constructed"), tbsCertificate.content)?.content ?? null, oid);
}

/** `explicit`: what is inside the explicit tag around Extensions (RFC 5280 §4.1); null: there are none. */
export function findExtension(explicit: Uint8Array | null, oid: string): Uint8Array | null {
  if (explicit === null) return null;
  const wanted = Buffer.from(oidContent(oid));
  for (const { content } of elementsOf(readElement(explicit).content)) {
    if (wanted.equals(readElement(content).content)) return childWith(TAG.octetString, content)?.content ?? null;
  }
  return null;
}

/** `extension`: the content of one Extension. */
export function isCritical(extension: Uint8Array): boolean {
  return (childWith(TAG.boolean, extension)?.content[0] ?? 0) !== 0;
}
