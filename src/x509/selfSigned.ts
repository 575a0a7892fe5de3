import { createPublicKey, type KeyObject, randomBytes, sign } from "node:crypto";
import { contextTag, oidContent, TAG, writeElement } from "./der.ts";

const ECDSA_SHA256 = sequence(oid("1.2.840.10045.4.3.2"));
const COMMON_NAME = "2.5.4.3";
const UTF8_STRING = 0x0c;

export interface SelfSigned {
  readonly commonName: string;
  /** ms since epoch, until 2049. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Each as `extension` writes it. */
  readonly extensions: readonly Uint8Array[];
}

/** A certificate that vouches for itself (RFC 5280), in DER. `key`: ECDSA P-256. */
export function createSelfSigned(
  key: KeyObject,
  { commonName, notBefore, notAfter, extensions }: SelfSigned,
): Uint8Array {
  const name = writeElement(UTF8_STRING, Buffer.from(commonName));
  const subject = sequence(writeElement(TAG.set, sequence(oid(COMMON_NAME), name)));
  const content = sequence(
    writeElement(contextTag(0, "constructed"), writeElement(TAG.integer, Uint8Array.of(2))),
    // The first octet keeps the number positive and without a zero in front.
    writeElement(TAG.integer, Uint8Array.of(1), randomBytes(15)),
    ECDSA_SHA256,
    subject,
    sequence(time(notBefore), time(notAfter)),
    subject,
    createPublicKey(key).export({ type: "spki", format: "der" }),
    writeElement(contextTag(3, "constructed"), sequence(...extensions)),
  );
  return sequence(content, ECDSA_SHA256, writeElement(TAG.bitString, Uint8Array.of(0), sign("sha256", content, key)));
}

export function extension(dotted: string, value: Uint8Array, isCritical = false): Uint8Array {
  const critical = isCritical ? [writeElement(TAG.boolean, Uint8Array.of(0xff))] : [];
  return sequence(oid(dotted), ...critical, writeElement(TAG.octetString, value));
}

/** UTCTime (RFC 5280 §4.1.2.5.1). */
function time(instant: number): Uint8Array {
  const digits = new Date(instant).toISOString().replace(/\D/g, "").slice(2, 14);
  return writeElement(TAG.utcTime, Buffer.from(`${digits}Z`));
}

function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return writeElement(TAG.sequence, ...parts);
}

function oid(dotted: string): Uint8Array {
  return writeElement(TAG.oid, oidContent(dotted));
}
