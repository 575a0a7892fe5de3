import { createPublicKey, type KeyObject } from "node:crypto";
import type { Identifier } from "../domain/identifier.ts";
import { contextTag, type DerElement, elementsOf, oidContent, readElement, TAG } from "./der.ts";
import { EXTENSION, EXTENSION_REQUEST, findExtension } from "./extension.ts";
import { readSigned, type Signed } from "./signature.ts";
import { readGeneralNames } from "./subjectAltName.ts";

const COMMON_NAME = "2.5.4.3";
const BMP_STRING = 0x1e;
/** RFC 7468 §7; the older label is what some tools still write. */
const BLOCK = /-----BEGIN (NEW )?CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END \1CERTIFICATE REQUEST-----/g;
const NO_REQUEST = "it is not a certificate signing request";

/** A certificate signing request (RFC 2986 §4.1). */
export interface CertificateRequest {
  readonly der: Uint8Array;
  /** The author has the private key only if that key signed this (`isSignedBy`). */
  readonly signed: Signed;
  readonly publicKey: KeyObject;
  /** Subject alternative names. */
  readonly identifiers: readonly Identifier[];
  /** How many subject alternative names are neither DNS name nor IP address. */
  readonly otherNames: number;
  /** Of its subject, as written. */
  readonly commonNames: readonly string[];
  readonly mustStaple: boolean;
}

/** Reads the one request in `file`, PEM or DER. Throws a TypeError or OpenSSL's error when there is none. */
export function readCertificateRequest(file: Uint8Array): CertificateRequest {
  const der = derOf(file);
  const whole = readElement(der);
  const signed = whole.whole.length === der.length ? readSigned(whole) : null;
  if (signed?.content.tag !== TAG.sequence) throw new TypeError(NO_REQUEST);
  // version, subject, subjectPKInfo, [0] attributes; some leave out the last when there are none.
  const [version, subject, publicKeyInfo, attributes] = elementsOf(signed.content.content).toArray();
  if (version?.tag !== TAG.integer || subject?.tag !== TAG.sequence || publicKeyInfo?.tag !== TAG.sequence)
    throw new TypeError(NO_REQUEST);
  const extensions = attributes?.tag === contextTag(0, "constructed") ? requestedExtensions(attributes) : [];
  const names = extensions.flatMap((requested) => {
    const value = findExtension(requested, EXTENSION.subjectAltName);
    return value === null ? [] : readGeneralNames(value);
  });
  const identifiers = names.filter((name) => name !== null);
  return {
    der,
    signed,
    publicKey: createPublicKey({ key: Buffer.from(publicKeyInfo.whole), format: "der", type: "spki" }),
    identifiers,
    otherNames: names.length - identifiers.length,
    commonNames: commonNamesOf(subject),
    mustStaple: extensions.some((requested) => findExtension(requested, EXTENSION.tlsFeature) !== null),
  };
}

function derOf(file: Uint8Array): Uint8Array {
  const [block, ...more] = Buffer.from(file).toString("latin1").matchAll(BLOCK);
  if (more.length > 0) throw new TypeError("there is more than one certificate signing request");
  return block === undefined ? file : Buffer.from(block[2] ?? "", "base64");
}

/** The Extensions of every extension request: one is usual, but CAs read them all. */
function requestedExtensions(attributes: DerElement): Uint8Array[] {
  return elementsOf(attributes.content)
    .flatMap(({ content }): Uint8Array[] => {
      const [type, values] = elementsOf(content).toArray();
      return type !== undefined && isOid(type, EXTENSION_REQUEST) && values?.tag === TAG.set ? [values.content] : [];
    })
    .toArray();
}

/** RDNSequence: sets of type and value (RFC 5280 §4.1.2.4). */
function commonNamesOf(subject: DerElement): string[] {
  return elementsOf(subject.content)
    .flatMap(({ content }) => elementsOf(content))
    .flatMap(({ content }): string[] => {
      const [type, value] = elementsOf(content).toArray();
      return type !== undefined && value !== undefined && isOid(type, COMMON_NAME) ? [textOf(value)] : [];
    })
    .filter((name) => name !== "")
    .toArray();
}

function isOid({ tag, content }: DerElement, oid: string): boolean {
  return tag === TAG.oid && Buffer.from(oidContent(oid)).equals(content);
}

function textOf({ tag, content }: DerElement): string {
  if (tag !== BMP_STRING) return Buffer.from(content).toString("utf8");
  return content.length % 2 === 0 ? Buffer.from(content).swap16().toString("utf16le") : "";
}
