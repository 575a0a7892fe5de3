// What is held as text in a secret store or behind an API: whether it is a whole pair, and which.
import { createHash, createPrivateKey, X509Certificate } from "node:crypto";

/**
 * Fingerprint of the first certificate; null: there is nothing. Throws when key and certificate do not belong together.
 */
export function heldFingerprint(certificate: unknown, key: unknown): string | null {
  if (typeof certificate !== "string" || typeof key !== "string") return null;
  const leaf = new X509Certificate(certificate.slice(certificate.indexOf("-----BEGIN CERTIFICATE")));
  if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error("torn: the key does not match the certificate");
  return createHash("sha256").update(leaf.raw).digest("hex");
}
