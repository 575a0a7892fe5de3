import { createPublicKey, type KeyObject, sign } from "node:crypto";
import { promisify } from "node:util";
import type { KeyType } from "../domain/certificate.ts";
import type { Identifier } from "../domain/identifier.ts";
import type { Secret } from "../domain/secret.ts";
import { contextTag, oidContent, TAG, writeElement } from "./der.ts";
import { EXTENSION, EXTENSION_REQUEST } from "./extension.ts";
import { keyTypeOf, privateKeyOf } from "./key.ts";
import { writeSubjectAltName } from "./subjectAltName.ts";

/** sha256WithRSAEncryption, whose parameters are NULL (RFC 4055 §5); ECDSA has none (RFC 5758 §3.2). */
const RSA = { hash: "sha256", identifier: sequence(oid("1.2.840.113549.1.1.11"), writeElement(TAG.null)) };
const ALGORITHMS: Readonly<Record<KeyType, { readonly hash: string; readonly identifier: Uint8Array }>> = {
  "rsa-2048": RSA,
  "rsa-3072": RSA,
  "rsa-4096": RSA,
  "ecdsa-p256": { hash: "sha256", identifier: sequence(oid("1.2.840.10045.4.3.2")) },
  "ecdsa-p384": { hash: "sha384", identifier: sequence(oid("1.2.840.10045.4.3.3")) },
};

/** In libuv's thread pool: an RSA-4096 signature takes milliseconds, and other orders continue meanwhile. */
const signing: (hash: string, data: Uint8Array, key: KeyObject) => Promise<Buffer> = promisify(sign);

/**
 * The DER of a certificate signing request (RFC 2986 §4) whose names are all subject alternative names: the common name
 * is deprecated and not every name fits it. Never asks for must-staple: OCSP ended in 2025.
 */
export async function createCsr(key: Secret, identifiers: readonly Identifier[]): Promise<Uint8Array> {
  const keyType = keyTypeOf(key);
  if (keyType === null) throw new TypeError("the certificate's private key is of no supported type");
  const { hash, identifier } = ALGORITHMS[keyType];
  const privateKey = privateKeyOf(key);
  const extension = sequence(
    oid(EXTENSION.subjectAltName),
    writeElement(TAG.octetString, writeSubjectAltName(identifiers)),
  );
  const attribute = sequence(oid(EXTENSION_REQUEST), writeElement(TAG.set, sequence(extension)));
  const version = writeElement(TAG.integer, Uint8Array.of(0));
  const subject = sequence();
  const publicKey = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  const info = sequence(version, subject, publicKey, writeElement(contextTag(0, "constructed"), attribute));
  return sequence(
    info,
    identifier,
    writeElement(TAG.bitString, Uint8Array.of(0), await signing(hash, info, privateKey)),
  );
}

function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return writeElement(TAG.sequence, ...parts);
}

function oid(dotted: string): Uint8Array {
  return writeElement(TAG.oid, oidContent(dotted));
}
