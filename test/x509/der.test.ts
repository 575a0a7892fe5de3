import "reflect-metadata";
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import {
  AuthorityKeyIdentifierExtension,
  X509Certificate as PeculiarCertificate,
  SubjectAlternativeNameExtension,
} from "@peculiar/x509";
import { describe, expect, it } from "vitest";
import { certId } from "../../src/x509/certId.ts";
import { createCsr } from "../../src/x509/csr.ts";
import { elementsOf, oidContent, readElement, TAG, writeElement } from "../../src/x509/der.ts";
import { EXTENSION, extensionOf } from "../../src/x509/extension.ts";
import { generateKey } from "../../src/x509/key.ts";
import { readUsages } from "../../src/x509/keyUsage.ts";
import { readSubjectAltName, writeSubjectAltName } from "../../src/x509/subjectAltName.ts";
import { createRoot } from "../support/ca/pki.ts";
import { identifierOf } from "../support/identifier.ts";

describe("DER", () => {
  it.each([0, 1, 127, 128, 255, 256, 65_535, 65_536, 20_000_000])(
    "reads back an element of %i octets, and what follows it",
    (length) => {
      const element = writeElement(TAG.octetString, new Uint8Array(length));
      const { tag, content, whole } = readElement(Buffer.concat([element, Uint8Array.of(5, 0)]));
      expect([tag, content.length, whole.length]).toEqual([TAG.octetString, length, element.length]);
    },
  );

  it.each([
    ["nothing", []],
    ["no length", [0x30]],
    ["an indefinite length", [0x30, 0x80, 0, 0]],
    ["half a length", [0x30, 0x82, 1]],
    ["a length beyond its end", [0x30, 3, 1, 2]],
    ["five octets of length", [0x30, 0x85, 0, 0, 0, 0, 1, 1]],
    ["a tag of several octets", [0x1f, 0x81, 0x01, 0]],
  ])("refuses %s", (_, octets) => {
    expect(() => readElement(Uint8Array.from(octets))).toThrow(TypeError);
  });

  it("writes object identifiers as OpenSSL does", () => {
    for (const dotted of ["2.5.29.17", "1.2.840.113549.1.9.14", "1.2.840.10045.4.3.2", "1.3.6.1.5.5.7.1.24"]) {
      const der = writeElement(TAG.oid, oidContent(dotted));
      const openssl = execFileSync("openssl", ["asn1parse", "-inform", "DER", "-oid", "/dev/null"], {
        input: der,
        encoding: "utf8",
      });
      const known: Record<string, string> = {
        "2.5.29.17": "Subject Alternative Name",
        "1.2.840.113549.1.9.14": "Extension Request",
        "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
        "1.3.6.1.5.5.7.1.24": "TLS Feature",
      };
      expect(openssl).toContain(known[dotted] ?? "nothing");
    }
  });

  it("returns or throws a TypeError for a certificate damaged or cut at any octet", async () => {
    const { certPem } = await (await createRoot()).issue({
      names: ["a.example", "192.0.2.1"],
      keyUsage: ["digitalSignature"],
    });
    const der = new Uint8Array(new X509Certificate(certPem).raw);
    const read = (bytes: Uint8Array): void => {
      try {
        readSubjectAltName(bytes);
        extensionOf(bytes, EXTENSION.authorityKeyIdentifier);
      } catch (error) {
        expect(error).toBeInstanceOf(TypeError);
      }
    };
    for (let at = 0; at < der.length; at++) {
      read(der.subarray(0, at));
      for (const value of [0x00, 0x7f, 0x80, 0x84, 0xff]) read(der.with(at, value));
    }
    expect(() => readSubjectAltName(der.subarray(0, der.length - 1))).toThrow(TypeError);
  });
});

describe("extensions", () => {
  it("read the same as by another library", async () => {
    const root = await createRoot();
    const names = ["a.example", "*.b.example", "192.0.2.1", "2001:db8::1", "::1", "2001:db8:0:1::"];
    const { certPem } = await root.issue({ names, keyUsage: ["digitalSignature", "keyEncipherment", "decipherOnly"] });
    const { raw } = new X509Certificate(certPem);
    const other = new PeculiarCertificate(new Uint8Array(raw));
    const theirs = other
      .getExtension(SubjectAlternativeNameExtension)
      ?.names.items.map(({ value }) => identifierOf(value));
    expect(readSubjectAltName(raw)).toEqual(theirs);
    expect(readSubjectAltName(raw)).toEqual(names.map(identifierOf));
    expect(readUsages(certPem)).toEqual({
      keyUsage: ["digitalSignature", "keyEncipherment", "decipherOnly"],
      extendedKeyUsage: ["1.3.6.1.5.5.7.3.1"],
    });
    expect(other.getExtension(AuthorityKeyIdentifierExtension)).toBeNull();
    expect(certId(certPem)).toBeNull();
  });

  it("refuse an IP address of neither four nor sixteen octets", () => {
    const names = writeElement(TAG.sequence, writeElement(0x87, Uint8Array.of(1, 2, 3)));
    const extension = writeElement(
      TAG.sequence,
      writeElement(TAG.oid, oidContent(EXTENSION.subjectAltName)),
      writeElement(TAG.octetString, names),
    );
    const certificate = writeElement(
      TAG.sequence,
      writeElement(TAG.sequence, writeElement(0xa3, writeElement(TAG.sequence, extension))),
    );
    expect(() => readSubjectAltName(certificate)).toThrow("3 octets");
  });

  it("write names that read back, in their order", () => {
    const identifiers = ["a.example", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "::", "2001:db8:1:2:3:4:5:6"].map(
      identifierOf,
    );
    const extension = writeElement(
      TAG.sequence,
      writeElement(TAG.oid, oidContent(EXTENSION.subjectAltName)),
      writeElement(TAG.octetString, writeSubjectAltName(identifiers)),
    );
    const certificate = writeElement(
      TAG.sequence,
      writeElement(TAG.sequence, writeElement(0xa3, writeElement(TAG.sequence, extension))),
    );
    expect(readSubjectAltName(certificate)).toEqual(identifiers);
  });
});

describe("a request for a certificate", () => {
  it("is one that OpenSSL verifies and reads as we meant it", async () => {
    const identifiers = ["*.a.example", "192.0.2.1", "2001:db8::1"].map(identifierOf);
    const der = await createCsr(await generateKey("ecdsa-p384"), identifiers);
    const text = execFileSync("openssl", ["req", "-inform", "DER", "-verify", "-noout", "-text"], {
      input: der,
      encoding: "utf8",
      stdio: "pipe",
    });
    expect(text).toContain("DNS:*.a.example, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1");
    expect(text).toContain("ecdsa-with-SHA384");
    expect([...elementsOf(readElement(der).content)]).toHaveLength(3);
  });
});
