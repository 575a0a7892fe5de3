import { X509Certificate } from "node:crypto";
import { getCACertificates } from "node:tls";

/**
 * Whether a chain (leaf first, root left out as CAs do) leads to the root with this common name or SHA-256 fingerprint.
 * By fingerprint it may also be any certificate of the chain itself, or a root that this process trusts: the system's,
 * and those that Node ships.
 */
export function leadsTo(chainPem: readonly string[], wanted: string): boolean {
  const fingerprint = wanted.replaceAll(":", "").toUpperCase();
  if (!/^[0-9A-F]{64}$/.test(fingerprint)) return topIssuerName(chainPem) === wanted;
  const chain = chainPem.map((pem) => new X509Certificate(pem));
  if (chain.some((certificate) => hexOf(certificate) === fingerprint)) return true;
  const top = chain.at(-1);
  const root = getCACertificates("default")
    .map((pem) => new X509Certificate(pem))
    .find((certificate) => hexOf(certificate) === fingerprint);
  return top !== undefined && root !== undefined && isIssuedBy(top, root);
}

/**
 * The leaf's issuers among these certificates, each above the one before, without a root: what a server sends. Ends
 * where an issuer is missing.
 */
export function issuersOf(leafPem: string, pems: readonly string[]): string[] {
  const others = pems.map((pem) => ({ pem, certificate: new X509Certificate(pem) }));
  const found: typeof others = [];
  let child = new X509Certificate(leafPem);
  for (;;) {
    const next = others.find((other) => !found.includes(other) && isIssuedBy(child, other.certificate));
    if (next === undefined || isIssuedBy(next.certificate, next.certificate)) return found.map(({ pem }) => pem);
    found.push(next);
    child = next.certificate;
  }
}

/** Node throws for a key of a kind that it does not know. */
export function isIssuedBy(child: X509Certificate, parent: X509Certificate): boolean {
  try {
    return child.checkIssued(parent) && child.verify(parent.publicKey);
  } catch {
    return false;
  }
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
