import { createHash, X509Certificate } from "node:crypto";
import { canonicalAddress, type Identifier } from "../domain/identifier.ts";
import { nameLine } from "../domain/text.ts";
import type { Leaf } from "../domain/version.ts";
import { keyTypeOfObject } from "./key.ts";
import { readSubjectAltName } from "./subjectAltName.ts";

/** Facts about the first certificate in `pem`. Throws a TypeError or OpenSSL error when there is none. */
export function readLeaf(pem: string): Leaf {
  return leafOf(new X509Certificate(pem));
}

export function leafOf(certificate: X509Certificate): Leaf {
  return {
    serial: certificate.serialNumber.toUpperCase(),
    fingerprint: createHash("sha256").update(certificate.raw).digest("hex"),
    identifiers: readSubjectAltName(certificate.raw),
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
    keyType: keyTypeOfObject(certificate.publicKey),
    issuerName: nameLine(certificate.issuer),
  };
}

export function canonicalIdentifier({ type, value }: Identifier): Identifier {
  return { type, value: canonicalAddress(value) };
}
