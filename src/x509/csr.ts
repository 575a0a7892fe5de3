import "reflect-metadata";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from "@peculiar/x509";
import type { KeyType } from "../domain/certificate.ts";
import type { Identifier } from "../domain/identifier.ts";
import type { Secret } from "../domain/secret.ts";
import { keyTypeOf } from "./key.ts";

const RSA = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
const ALGORITHMS: Record<KeyType, { name: string; hash: string; namedCurve?: string }> = {
  "rsa-2048": RSA,
  "rsa-3072": RSA,
  "rsa-4096": RSA,
  "ecdsa-p256": { name: "ECDSA", hash: "SHA-256", namedCurve: "P-256" },
  "ecdsa-p384": { name: "ECDSA", hash: "SHA-384", namedCurve: "P-384" },
};

/**
 * The DER of a certificate signing request whose names are all subject alternative names: the common name is deprecated
 * and not every name fits it. Never asks for must-staple: OCSP ended in 2025.
 */
export async function createCsr(key: Secret, identifiers: readonly Identifier[]): Promise<Uint8Array> {
  const keyType = keyTypeOf(key);
  if (keyType === null) throw new TypeError("the certificate's private key is of no supported type");
  const algorithm = ALGORITHMS[keyType];
  const privateKey = createPrivateKey(key.reveal());
  const request = await Pkcs10CertificateRequestGenerator.create({
    keys: {
      privateKey: privateKey.toCryptoKey(algorithm, true, ["sign"]),
      publicKey: createPublicKey(privateKey).toCryptoKey(algorithm, true, ["verify"]),
    },
    signingAlgorithm: algorithm,
    extensions: [new SubjectAlternativeNameExtension(identifiers.map(({ type, value }) => ({ type, value })))],
  });
  return new Uint8Array(request.rawData);
}
