import type { KeyObject, X509Certificate } from "node:crypto";
import type { ScannedCertificate } from "../../domain/scan.ts";
import { nameLine, sanitize } from "../../domain/text.ts";
import { fingerprintOf, namesIn } from "../served.ts";

/** OpenSSL's names of the NIST curves (RFC 5480 §2.1.1.1) as people write them. */
const CURVES: Readonly<Record<string, string>> = { prime256v1: "P-256", secp384r1: "P-384", secp521r1: "P-521" };
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

function keyText(certificate: X509Certificate): string {
  const key = publicKeyOf(certificate);
  const { modulusLength, namedCurve } = key?.asymmetricKeyDetails ?? {};
  if (modulusLength !== undefined) return `RSA ${modulusLength}`;
  if (namedCurve !== undefined) return `ECDSA ${CURVES[namedCurve] ?? namedCurve}`;
  return key?.asymmetricKeyType ?? "unknown";
}

/** Bits of an RSA modulus; null: another kind of key. */
export function rsaBits(certificate: X509Certificate): number | null {
  return publicKeyOf(certificate)?.asymmetricKeyDetails?.modulusLength ?? null;
}

/** Node throws for a key of a kind that it does not know. */
function publicKeyOf(certificate: X509Certificate): KeyObject | null {
  try {
    return certificate.publicKey;
  } catch {
    return null;
  }
}
