import { X509Certificate } from "node:crypto";
import { childWith, contextTag, readElement } from "./der.ts";
import { EXTENSION, extensionOf } from "./extension.ts";

/**
 * How renewalInfo and `replaces` name a certificate (RFC 9773 §4.1): base64url(authority key identifier) "."
 * base64url(DER bytes of the serial number). null: the certificate has no authority key identifier.
 */
export function certId(leafPem: string): string | null {
  const certificate = new X509Certificate(leafPem);
  const authority = extensionOf(certificate.raw, EXTENSION.authorityKeyIdentifier);
  const keyIdentifier = authority && childWith(contextTag(0, "primitive"), readElement(authority).content);
  if (!keyIdentifier) return null;
  const serial = derInteger(certificate.serialNumber);
  return `${Buffer.from(keyIdentifier.content).toString("base64url")}.${serial.toString("base64url")}`;
}

/** The content bytes of a positive DER INTEGER: shortest form, with a zero byte before a set sign bit (X.690 §8.3). */
function derInteger(hex: string): Buffer {
  const digits = hex.replace(/^0+(?=.)/, "");
  const bytes = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex");
  return (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes;
}
