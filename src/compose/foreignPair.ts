import { RenewalError } from "../domain/errors.ts";
import { Secret } from "../domain/secret.ts";
import type { ForeignPair } from "../renewal/operator/importPair.ts";
import { keyMatches, keyTypeOf } from "../x509/key.ts";
import { readLeaf } from "../x509/leaf.ts";
import { splitPem } from "../x509/pem.ts";

/**
 * Reads a pair that other tooling issued: leaf first, then its chain. Throws `request.invalid` naming what is wrong.
 */
export function readForeignPair(bundlePem: string, keyPem: string): ForeignPair {
  const [leafPem, ...chainPem] = splitPem(bundlePem);
  if (leafPem === undefined) throw new RenewalError("request.invalid", "certificate file: holds no PEM certificate");
  const privateKey = new Secret(keyPem);
  const keyType = keyTypeOf(privateKey);
  if (keyType === null)
    throw new RenewalError(
      "request.invalid",
      "key file: expected an unencrypted PEM key of RSA 2048, 3072 or 4096, ECDSA P-256 or P-384",
    );
  const leaf = readable("certificate file: its first certificate cannot be read", () => readLeaf(leafPem));
  if (!keyMatches(leafPem, privateKey))
    throw new RenewalError("request.invalid", "key file: does not belong to the certificate's public key");
  return { leaf, leafPem, chainPem, privateKey, keyType };
}

function readable<T>(problem: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new RenewalError("request.invalid", problem, { cause });
  }
}
