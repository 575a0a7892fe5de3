import { isIPv4 } from "node:net";
import { canonicalAddress, type Identifier } from "../domain/identifier.ts";
import { inert } from "../domain/text.ts";
import { contextTag, elementsOf, readElement, TAG, writeElement } from "./der.ts";
import { EXTENSION, extensionOf } from "./extension.ts";

/** Choices of GeneralName (RFC 5280 §4.2.1.6). */
const DNS_NAME = contextTag(2, "primitive");
const IP_ADDRESS = contextTag(7, "primitive");

/**
 * The DNS names and IP addresses of a certificate in DER. Node offers them only as one formatted string, whose quoting
 * has been an attack before (CVE-2021-44532).
 */
export function readSubjectAltName(certificate: Uint8Array): Identifier[] {
  const value = extensionOf(certificate, EXTENSION.subjectAltName);
  if (value === null) return [];
  return readGeneralNames(value).filter((name) => name !== null);
}

/** The extension's value, name by name; null: of a kind that no certificate here holds, such as a mail address. */
export function readGeneralNames(value: Uint8Array): (Identifier | null)[] {
  return elementsOf(readElement(value).content)
    .map(({ tag, content }): Identifier | null => {
      if (tag === DNS_NAME) return { type: "dns", value: nameOf(content) };
      return tag === IP_ADDRESS ? { type: "ip", value: addressOf(content) } : null;
    })
    .toArray();
}

/** The DER of the extension's value: GeneralNames. */
export function writeSubjectAltName(identifiers: readonly Identifier[]): Uint8Array {
  const names = identifiers.map(({ type, value }) =>
    type === "ip" ? writeElement(IP_ADDRESS, octetsOf(value)) : writeElement(DNS_NAME, Buffer.from(value, "latin1")),
  );
  return writeElement(TAG.sequence, ...names);
}

/** IA5String, in which a CA can put any byte. A valid name has no active character and stays as it is. */
function nameOf(content: Uint8Array): string {
  return inert(Buffer.from(content).toString("latin1").toLowerCase());
}

function addressOf(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join(".");
  if (octets.length !== 16) throw new TypeError(`an IP address of ${octets.length} octets (RFC 5280 §4.2.1.6)`);
  const groups = Buffer.from(octets).toString("hex").match(/.{4}/g) ?? [];
  return canonicalAddress(groups.join(":"));
}

function octetsOf(address: string): Uint8Array {
  if (isIPv4(address)) return Uint8Array.from(address.split("."), Number);
  // Canonical: hexadecimal groups with at most one gap, never a dotted end.
  const [head = [], tail = []] = canonicalAddress(address)
    .split("::")
    .map((part) => (part === "" ? [] : part.split(":")));
  const groups = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => "0"), ...tail];
  return Buffer.from(groups.map((group) => group.padStart(4, "0")).join(""), "hex");
}
