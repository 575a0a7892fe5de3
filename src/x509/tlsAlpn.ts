import { createHash, type KeyObject } from "node:crypto";
import type { Identifier } from "../domain/identifier.ts";
import { HOUR_MS } from "../domain/time.ts";
import { TAG, writeElement } from "./der.ts";
import { EXTENSION } from "./extension.ts";
import { createSelfSigned, extension } from "./selfSigned.ts";
import { writeSubjectAltName } from "./subjectAltName.ts";

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
  return createSelfSigned(key, {
    commonName: "tls-alpn-01 challenge",
    ...{ notBefore: now - VALID_AROUND_MS, notAfter: now + VALID_AROUND_MS },
    extensions: [
      extension(EXTENSION.subjectAltName, writeSubjectAltName([identifier])),
      extension(EXTENSION.acmeIdentifier, writeElement(TAG.octetString, digest), true),
    ],
  });
}
