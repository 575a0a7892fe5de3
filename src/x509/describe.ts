import { createHash, type KeyObject, X509Certificate } from "node:crypto";
import type { FoundCertificate } from "../domain/inventory.ts";
import { nameLine, sanitize } from "../domain/text.ts";
import { readSubjectAltName } from "./subjectAltName.ts";

/** Larger ones are attacks: a certificate with 1,000 names has 30 kB. */
export const CERTIFICATE_BYTES_MAX = 131_072;
const NAMES_MAX = 1_000;
const NAME_LENGTH_MAX = 255;
/** OpenSSL's names of the NIST curves (RFC 5480 §2.1.1.1) as people write them. */
const CURVES: Readonly<Record<string, string>> = { prime256v1: "P-256", secp384r1: "P-384", secp521r1: "P-521" };

/** null: these bytes, DER or PEM, are no certificate that can be read. */
export function foundCertificate(bytes: Uint8Array | string): FoundCertificate | null {
  if (bytes.length > CERTIFICATE_BYTES_MAX * 2) return null;
  try {
    return describeFound(new X509Certificate(bytes));
  } catch {
    return null;
  }
}

/** Throws a TypeError or OpenSSL's error for one whose names, dates or key cannot be read. */
export function describeFound(certificate: X509Certificate): FoundCertificate {
  const { raw } = certificate;
  if (raw.length > CERTIFICATE_BYTES_MAX) throw new TypeError(`a certificate of ${raw.length} bytes`);
  const notBefore = certificate.validFromDate.getTime();
  const notAfter = certificate.validToDate.getTime();
  if (!Number.isFinite(notBefore) || !Number.isFinite(notAfter)) throw new TypeError("its dates cannot be read");
  return {
    fingerprint: sha256(raw),
    key: sha256(publicKeyInfo(certificate)),
    serial: sanitize(certificate.serialNumber.toUpperCase(), 80),
    subject: nameLine(certificate.subject),
    issuer: nameLine(certificate.issuer),
    names: readSubjectAltName(raw)
      .slice(0, NAMES_MAX)
      .map(({ value }) => sanitize(value, NAME_LENGTH_MAX)),
    notBefore,
    notAfter,
    keyText: keyText(certificate),
  };
}

/** Such as `ECDSA P-256` or `RSA 2048`. */
export function keyText(certificate: X509Certificate): string {
  const key = publicKeyOf(certificate);
  const { modulusLength, namedCurve } = key?.asymmetricKeyDetails ?? {};
  if (modulusLength !== undefined) return `RSA ${modulusLength}`;
  if (namedCurve !== undefined) return `ECDSA ${CURVES[namedCurve] ?? sanitize(namedCurve, 40)}`;
  return key?.asymmetricKeyType ?? "unknown";
}

/** Node throws for a key of a kind that it does not know. */
export function publicKeyOf(certificate: X509Certificate): KeyObject | null {
  try {
    return certificate.publicKey;
  } catch {
    return null;
  }
}

function publicKeyInfo(certificate: X509Certificate): Uint8Array {
  return certificate.publicKey.export({ type: "spki", format: "der" });
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
