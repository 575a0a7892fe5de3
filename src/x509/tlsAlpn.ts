import { createHash, createPublicKey, type KeyObject, randomBytes, sign } from "node:crypto";
import type { Identifier } from "../domain/identifier.ts";
import { HOUR_MS } from "../domain/time.ts";
import { contextTag, oidContent, TAG, writeElement } from "./der.ts";
import { EXTENSION } from "./extension.ts";
import { writeSubjectAltName } from "./subjectAltName.ts";

const ECDSA_SHA256 = sequence(oid("1.2.840.10045.4.3.2"));
const COMMON_NAME = "2.5.4.3";
const UTF8_STRING = 0x0c;
const SUBJECT = sequence(
  writeElement(TAG.set, sequence(oid(COMMON_NAME), writeElement(UTF8_STRING, Buffer.from("tls-alpn-01 challenge")))),
);
/** Clocks differ. */
const VALID_AROUND_MS = 24 * HOUR_MS;

/**
 * The self-signed certificate that answers a tls-alpn-01 challenge (RFC 8737 §3), in DER. `key`: ECDSA P-256; it proves
 * nothing, the digest of the key authorization does.
 */
export function createTlsAlpnCertificate(
  key: KeyObject,
  identifier: Identifier,
  keyAuthorization: string,
  now: number,
): Uint8Array {
  const digest = createHash("sha256").update(keyAuthorization).digest();
  const critical = writeElement(TAG.boolean, Uint8Array.of(0xff));
  const extensions = sequence(
    sequence(oid(EXTENSION.subjectAltName), writeElement(TAG.octetString, writeSubjectAltName([identifier]))),
    sequence(
      oid(EXTENSION.acmeIdentifier),
      critical,
      writeElement(TAG.octetString, writeElement(TAG.octetString, digest)),
    ),
  );
  const content = sequence(
    writeElement(contextTag(0, "constructed"), writeElement(TAG.integer, Uint8Array.of(2))),
    // The first octet keeps the number positive and without a zero in front.
    writeElement(TAG.integer, Uint8Array.of(1), randomBytes(15)),
    ECDSA_SHA256,
    SUBJECT,
    sequence(time(now - VALID_AROUND_MS), time(now + VALID_AROUND_MS)),
    SUBJECT,
    createPublicKey(key).export({ type: "spki", format: "der" }),
    writeElement(contextTag(3, "constructed"), extensions),
  );
  return sequence(content, ECDSA_SHA256, writeElement(TAG.bitString, Uint8Array.of(0), sign("sha256", content, key)));
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
