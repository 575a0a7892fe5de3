// @peculiar/x509 throws at import unless reflect-metadata came first.
import "reflect-metadata";
import { createHash, X509Certificate } from "node:crypto";
import { X509Certificate as PeculiarCertificate, SubjectAlternativeNameExtension } from "@peculiar/x509";
import { canonicalAddress, type Identifier, identifierOf } from "../domain/identifier.ts";
import type { Leaf } from "../domain/version.ts";
import { keyTypeOfObject } from "./key.ts";

/** Facts about the first certificate in `pem`. Throws a TypeError or OpenSSL error when there is none. */
export function readLeaf(pem: string): Leaf {
  const certificate = new X509Certificate(pem);
  return {
    serial: certificate.serialNumber.toUpperCase(),
    fingerprint: createHash("sha256").update(certificate.raw).digest("hex"),
    identifiers: subjectAltNames(certificate.raw),
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
    keyType: keyTypeOfObject(certificate.publicKey),
    issuerName: certificate.issuer.split("\n").join(", "),
  };
}

// Node offers the names only as one formatted string, whose quoting has been an attack before (CVE-2021-44532).
function subjectAltNames(der: Uint8Array): Identifier[] {
  const extension = new PeculiarCertificate(new Uint8Array(der)).getExtension(SubjectAlternativeNameExtension);
  const names = extension?.names.items.filter((name) => name.type === "dns" || name.type === "ip") ?? [];
  return names.map((name) => canonicalIdentifier(identifierOf(name.value)));
}

export function canonicalIdentifier({ type, value }: Identifier): Identifier {
  return { type, value: canonicalAddress(value) };
}
