import { createPrivateKey, generateKeyPair, type KeyObject, X509Certificate } from "node:crypto";
import { promisify } from "node:util";
import type { KeyType } from "../domain/certificate.ts";
import { Secret } from "../domain/secret.ts";

const generate = promisify(generateKeyPair);

/** A fresh private key as PKCS#8 PEM. */
export async function generateKey(keyType: KeyType): Promise<Secret> {
  const pair = await generatePair(keyType);
  return new Secret(pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString());
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

/** null: not a key we make (another curve or size, or not a private key at all). */
export function keyTypeOf(key: Secret): KeyType | null {
  try {
    return keyTypeOfObject(createPrivateKey(key.reveal()));
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

/** Whether certificate and key belong together. Unreadable input matches nothing. */
export function keyMatches(leafPem: string, key: Secret): boolean {
  try {
    return new X509Certificate(leafPem).checkPrivateKey(createPrivateKey(key.reveal()));
  } catch {
    return false;
  }
}
