import { X509Certificate } from "node:crypto";
import { rootCertificates } from "node:tls";

/**
 * Whether a chain (leaf first, root left out as CAs do) leads to the root with this common name or SHA-256 fingerprint.
 * By fingerprint it may also be any certificate of the chain itself, or one of the public roots that Node ships.
 */
export function leadsTo(chainPem: readonly string[], wanted: string): boolean {
  const fingerprint = wanted.replaceAll(":", "").toUpperCase();
  if (!/^[0-9A-F]{64}$/.test(fingerprint)) return topIssuerName(chainPem) === wanted;
  const chain = chainPem.map((pem) => new X509Certificate(pem));
  if (chain.some((certificate) => hexOf(certificate) === fingerprint)) return true;
  const top = chain.at(-1);
  const root = rootCertificates
    .map((pem) => new X509Certificate(pem))
    .find((certificate) => hexOf(certificate) === fingerprint);
  return top !== undefined && root !== undefined && top.checkIssued(root) && top.verify(root.publicKey);
}

/**
 * The common name of the last certificate's issuer, the root. Without one, its whole distinguished name on one line.
 */
export function topIssuerName(chainPem: readonly string[]): string {
  // Node declares a string but gives undefined for an empty name.
  const lines = (new X509Certificate(chainPem.at(-1) ?? "").issuer ?? "").split("\n");
  return lines.find((line) => line.startsWith("CN="))?.slice("CN=".length) ?? lines.join(", ");
}

function hexOf(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(":", "");
}
