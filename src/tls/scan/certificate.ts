import type { X509Certificate } from "node:crypto";
import type { ScannedCertificate } from "../../domain/scan.ts";
import { nameLine, sanitize } from "../../domain/text.ts";
import { keyText, publicKeyOf } from "../../x509/describe.ts";
import { fingerprintOf, namesIn } from "../served.ts";

const TEXT_MAX = 100;

export function describeCertificate(certificate: X509Certificate): ScannedCertificate {
  return {
    fingerprint: fingerprintOf(certificate),
    serial: certificate.serialNumber.toUpperCase(),
    subject: nameLine(certificate.subject),
    issuer: nameLine(certificate.issuer),
    subjectAltNames: namesIn(certificate),
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
    key: keyText(certificate),
    signature: sanitize(certificate.signatureAlgorithm ?? "unknown", TEXT_MAX),
  };
}

/** The common name, or all of the name if there is none. */
export function shortName(distinguishedName: string | undefined): string {
  const line = (distinguishedName ?? "").split("\n").find((part) => part.startsWith("CN="));
  return line === undefined ? nameLine(distinguishedName) || "a CA without a name" : sanitize(line.slice(3), TEXT_MAX);
}

/** Bits of an RSA modulus; null: another kind of key. */
export function rsaBits(certificate: X509Certificate): number | null {
  const key = publicKeyOf(certificate);
  // The details of other kinds take as long as the rest of the judgement.
  return key?.asymmetricKeyType?.startsWith("rsa") ? (key.asymmetricKeyDetails?.modulusLength ?? null) : null;
}
