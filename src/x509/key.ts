import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, X509Certificate } from "node:crypto";
import { promisify } from "node:util";
import type { KeyType } from "../domain/certificate.ts";
import { Secret } from "../domain/secret.ts";

const generate = promisify(generateKeyPair);

/**
 * Parsing costs more than signing, and one order needs its keys several times. An entry lives as long as its secret.
 */
const PARSED = new WeakMap<Secret, KeyObject>();

/** A fresh private key as PKCS#8 PEM. */
export async function generateKey(keyType: KeyType): Promise<Secret> {
  const { privateKey } = await generatePair(keyType);
  const secret = new Secret(privateKey.export({ type: "pkcs8", format: "pem" }).toString());
  PARSED.set(secret, privateKey);
  return secret;
}

function generatePair(keyType: KeyType): Promise<{ privateKey: KeyObject }> {
  switch (keyType) {
    case "rsa-2048":
      return generate("rsa", { modulusLength: 2048 });
    case "rsa-3072":
      return generate("rsa", { modulusLength: 3072 });
    case "rsa-4096":
      return generate("rsa", { modulusLength: 4096 });
    case "ecdsa-p256":
      return generate("ec", { namedCurve: "P-256" });
    case "ecdsa-p384":
      return generate("ec", { namedCurve: "P-384" });
  }
}

/** Throws OpenSSL's error when the secret is no private key in PEM. */
export function privateKeyOf(key: Secret): KeyObject {
  const parsed = PARSED.get(key) ?? createPrivateKey(key.reveal());
  PARSED.set(key, parsed);
  return parsed;
}

/** The key in the form that targets get, from any PEM form. Throws OpenSSL's error when it is no key. */
export function asPkcs8(key: Secret): Secret {
  const parsed = privateKeyOf(key);
  const secret = new Secret(parsed.export({ type: "pkcs8", format: "pem" }).toString());
  PARSED.set(secret, parsed);
  return secret;
}

/** null: not a key type that renewd creates (another curve or size, or not a private key at all). */
export function keyTypeOf(key: Secret): KeyType | null {
  try {
    return keyTypeOfObject(privateKeyOf(key));
  } catch {
    return null;
  }
}

export function keyTypeOfObject(key: KeyObject): KeyType | null {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  const name = key.asymmetricKeyType === "rsa" ? `rsa-${modulusLength}` : namedCurve;
  switch (name) {
    case "rsa-2048":
    case "rsa-3072":
    case "rsa-4096":
      return name;
    // OpenSSL's names for the NIST curves (RFC 5480 §2.1.1.1).
    case "prime256v1":
      return "ecdsa-p256";
    case "secp384r1":
      return "ecdsa-p384";
    default:
      return null;
  }
}

/** Of any type, but not under a passphrase. */
export function isPrivateKey(key: Secret): boolean {
  try {
    privateKeyOf(key);
    return true;
  } catch {
    return false;
  }
}

/** Whether certificate and key belong together. Unreadable input matches nothing. */
export function keyMatches(leaf: string | X509Certificate, key: Secret): boolean {
  try {
    const certificate = typeof leaf === "string" ? new X509Certificate(leaf) : leaf;
    return certificate.checkPrivateKey(privateKeyOf(key));
  } catch {
    return false;
  }
}

/** As `keyMatches`, for a public key. */
export function isKeyOf(publicKey: KeyObject, key: Secret): boolean {
  try {
    return createPublicKey(privateKeyOf(key)).equals(publicKey);
  } catch {
    return false;
  }
}
