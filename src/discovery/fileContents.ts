import { X509Certificate } from "node:crypto";
import type { FoundCertificate } from "../domain/inventory.ts";
import type { Secret } from "../domain/secret.ts";
import { CERTIFICATE_BYTES_MAX, describeFound } from "../x509/describe.ts";
import { isJks, readJks } from "../x509/jks.ts";
import { splitPem } from "../x509/pem.ts";
import { readPkcs12, type StoreTrouble } from "../x509/pkcs12.ts";

/** Of one file: a bundle of all public roots has 150. */
const CERTIFICATES_MAX = 1_000;
const PKCS12_NAME = "is a PKCS#12 file";
const TROUBLES: Readonly<Record<StoreTrouble, string>> = {
  locked: `${PKCS12_NAME} that none of the passwords opens: give its password`,
  unknown:
    "is encrypted in a way that is not read here: write it again with a current openssl (`openssl pkcs12 -legacy -in OLD -out x.pem`, then " +
    "`openssl pkcs12 -export -in x.pem -out NEW`) or `keytool -importkeystore`, or add its certificate beside it in PEM",
  damaged: "is damaged",
};

export interface FileCertificates {
  readonly certificates: readonly FoundCertificate[];
  /** A private key is beside them, in PEM. It is not read. */
  readonly hasKey: boolean;
  /** The rest of a sentence that begins with the file's name; null: nothing is wrong with it. */
  readonly trouble: string | null;
}

/** The end-entity certificates of a file in any of the usual forms; CAs above them are left out. */
export async function readFileCertificates(
  bytes: Buffer,
  passwords: readonly Secret[],
  signal: AbortSignal,
): Promise<FileCertificates> {
  const text = bytes.toString("latin1");
  if (text.includes("-----BEGIN ")) {
    const hasKey = /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text);
    return { certificates: endEntities(splitPem(text), hasKey), hasKey, trouble: null };
  }
  if (isJks(bytes)) {
    const { certificates, trouble } = readJks(bytes);
    return { certificates: endEntities(certificates, false), hasKey: false, trouble: trouble && TROUBLES[trouble] };
  }
  if (bytes[0] !== 0x30) return { certificates: [], hasKey: false, trouble: null };
  const alone = endEntities([bytes], true);
  if (alone.length > 0) return { certificates: alone, hasKey: false, trouble: null };
  // A certificate begins with a sequence, PKCS#12 with its version, an integer.
  if (!isPkcs12(bytes)) return { certificates: [], hasKey: false, trouble: null };
  const { certificates, trouble } = await readPkcs12(bytes, passwords, signal);
  return { certificates: endEntities(certificates, false), hasKey: false, trouble: trouble && TROUBLES[trouble] };
}

/** Version 3 (RFC 7292 §4). */
function isPkcs12(bytes: Buffer): boolean {
  const lengthOctets = (bytes[1] ?? 0) < 0x80 ? 0 : (bytes[1] ?? 0) & 0x7f;
  return bytes.subarray(2 + lengthOctets, 5 + lengthOctets).equals(Buffer.of(0x02, 0x01, 0x03));
}

/** `withKey`: the first is kept even if it is a CA's by its words, as self-signed ones made by hand are. */
function endEntities(found: readonly (string | Uint8Array)[], withKey: boolean): FoundCertificate[] {
  return found.slice(0, CERTIFICATES_MAX).flatMap((bytes, index) => {
    if (bytes.length > CERTIFICATE_BYTES_MAX * 2) return [];
    try {
      const certificate = new X509Certificate(bytes);
      const described = describeFound(certificate);
      const isKept = !certificate.ca || described.names.length > 0 || (withKey && index === 0);
      return isKept ? [described] : [];
    } catch {
      return [];
    }
  });
}
