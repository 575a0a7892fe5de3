import { RenewalError } from "../domain/errors.ts";
import { Secret } from "../domain/secret.ts";
import type { ForeignPair } from "../renewal/operator/importPair.ts";
import { issuersOf } from "../x509/chain.ts";
import { asPkcs8, keyMatches, keyTypeOf } from "../x509/key.ts";
import { readLeaf } from "../x509/leaf.ts";
import { splitPem } from "../x509/pem.ts";

/** PKCS#8 with a passphrase, and the older form of OpenSSL. */
const ENCRYPTED = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m;

/**
 * Reads a pair that other tooling issued, from two files or one that holds both. Targets get the key as renewd writes
 * it and the leaf's issuers in the order that servers send, whatever else the files hold. Throws `request.invalid`,
 * which says what is wrong.
 */
export function readForeignPair(bundlePem: string, keyPem: string): ForeignPair {
  const certificates = [...new Set(splitPem(bundlePem))];
  if (certificates.length === 0) throw invalid("certificate file: holds no PEM certificate");
  const privateKey = readKey(keyPem);
  const keyType = keyTypeOf(privateKey);
  if (keyType === null) throw invalid("key file: holds no PEM key of RSA 2048, 3072 or 4096, ECDSA P-256 or P-384");
  const leafPem = certificates.find((pem) => isPairOf(pem, privateKey));
  if (leafPem === undefined)
    throw invalid("key file: does not belong to the certificate, nor to another one in the certificate file");
  const chainPem = readable("certificate file: a certificate of the chain cannot be read", () =>
    issuersOf(
      leafPem,
      certificates.filter((pem) => pem !== leafPem),
    ),
  );
  const leaf = readable("certificate file: the certificate cannot be read", () => readLeaf(leafPem));
  return { leaf, leafPem, chainPem, privateKey: asPkcs8(privateKey), keyType };
}

function readKey(pem: string): Secret {
  const [block] = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/.exec(pem) ?? [];
  if (block !== undefined && ENCRYPTED.test(block))
    throw invalid(
      "key file: the key is encrypted, and renewd has no passphrase for it: " +
        "decrypt it with `openssl pkey -in FILE -out PLAIN` and import that",
    );
  return new Secret(block ?? pem);
}

function isPairOf(pem: string, privateKey: Secret): boolean {
  try {
    return keyMatches(pem, privateKey);
  } catch {
    return false;
  }
}

function readable<T>(problem: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw invalid(problem, cause);
  }
}

function invalid(message: string, cause?: unknown): RenewalError {
  return new RenewalError("request.invalid", message, { cause });
}
