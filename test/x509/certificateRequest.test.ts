import { createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { KEY_TYPES } from "../../src/domain/certificate.ts";
import { Secret } from "../../src/domain/secret.ts";
import { readCertificateRequest } from "../../src/x509/certificateRequest.ts";
import { createCsr } from "../../src/x509/csr.ts";
import { asPkcs8, generateKey, isKeyOf, isPrivateKey, keyTypeOfObject } from "../../src/x509/key.ts";
import { isSignedBy } from "../../src/x509/signature.ts";
import { makeCsr, type OwnCsrOptions } from "../support/ca/ownCsr.ts";
import { createRoot, newKeyPem } from "../support/ca/pki.ts";
import { identifierOf } from "../support/identifier.ts";

describe("a certificate signing request made by openssl", () => {
  it.each(KEY_TYPES)("for a %s key is read, and signed by that key alone", async (keyType) => {
    const { der, keyPem } = await makeCsr({ names: ["*.a.example", "192.0.2.1", "2001:db8::1"], keyType });
    const request = readCertificateRequest(der);
    expect(request.identifiers).toEqual(["*.a.example", "192.0.2.1", "2001:db8::1"].map(identifierOf));
    expect(keyTypeOfObject(request.publicKey)).toBe(keyType);
    expect(request).toMatchObject({ otherNames: 0, commonNames: [], mustStaple: false });
    expect(Buffer.from(request.der).equals(der)).toBe(true);
    expect(isKeyOf(request.publicKey, new Secret(keyPem))).toBe(true);
    expect(isKeyOf(request.publicKey, new Secret(newKeyPem(keyType)))).toBe(false);
    expect(isSignedBy(request.signed, request.publicKey)).toBe(true);
    expect(isSignedBy(request.signed, createPublicKey(newKeyPem(keyType)))).toBe(false);
  });

  it("is the same in PEM, whatever stands around it and under either label", async () => {
    const { pem, der } = await makeCsr({ names: ["a.example"] });
    const texts = [
      pem,
      `Certificate Request:\n    Data:\n${pem}\ntrailing words\n`,
      pem.replaceAll("\n", "\r\n"),
      pem.replaceAll("CERTIFICATE", "NEW CERTIFICATE"),
    ];
    for (const text of texts) expect(Buffer.from(readCertificateRequest(Buffer.from(text)).der).equals(der)).toBe(true);
  });

  it.each<[string, OwnCsrOptions, object]>([
    ["no names", { names: [] }, { identifiers: [], commonNames: [] }],
    [
      "a common name only",
      { names: [], commonName: "www.a.example" },
      { identifiers: [], commonNames: ["www.a.example"] },
    ],
    ["names in upper case", { names: ["WWW.A.example"] }, { identifiers: [identifierOf("www.a.example")] }],
    [
      "names of other kinds",
      { names: ["a.example", "email:x@a.example", "URI:https://a.example/"] },
      { identifiers: [identifierOf("a.example")], otherNames: 2 },
    ],
    ["must-staple", { names: ["a.example"], mustStaple: true }, { mustStaple: true }],
  ])("with %s", async (_, options, expected) => {
    expect(readCertificateRequest((await makeCsr(options)).der)).toMatchObject(expected);
  });

  it("changed in a single bit of its content or signature is no longer signed by its key", async () => {
    const { der } = await makeCsr({ names: ["a.example"] });
    for (const at of [der.indexOf("a.example"), der.length - 1]) {
      const changed = Buffer.from(der);
      changed[at] = (changed[at] ?? 0) ^ 1;
      const request = readCertificateRequest(changed);
      expect(isSignedBy(request.signed, request.publicKey)).toBe(false);
    }
  });

  it("signed with SHA-1 is signed by an algorithm that is not supported", async () => {
    const { signed, publicKey } = readCertificateRequest(
      (await makeCsr({ names: ["a.example"], keyType: "rsa-2048", digest: "sha1" })).der,
    );
    expect(() => isSignedBy(signed, publicKey)).toThrow("not supported");
  });
});

it("what renewd makes itself is read as it was meant", async () => {
  const key = await generateKey("ecdsa-p384");
  const names = ["b.example", "2001:db8::2"].map(identifierOf);
  const request = readCertificateRequest(await createCsr(key, names));
  expect(request).toMatchObject({ identifiers: names, commonNames: [], otherNames: 0, mustStaple: false });
  expect(isSignedBy(request.signed, request.publicKey)).toBe(true);
});

describe("what is no certificate signing request", () => {
  it.each<[string, () => Promise<Uint8Array> | Uint8Array]>([
    ["nothing", () => Buffer.alloc(0)],
    ["words", () => Buffer.from("0 certificate signing requests")],
    ["a private key", () => Buffer.from(newKeyPem("ecdsa-p256"))],
    ["a certificate", async () => Buffer.from((await (await createRoot()).issue({ names: ["a.example"] })).certPem)],
    ["an empty block", () => Buffer.from("-----BEGIN CERTIFICATE REQUEST-----\n\n-----END CERTIFICATE REQUEST-----\n")],
    [
      "two requests",
      async () =>
        Buffer.from((await makeCsr({ names: ["a.example"] })).pem + (await makeCsr({ names: ["a.example"] })).pem),
    ],
    [
      "a request and more",
      async () => Buffer.concat([(await makeCsr({ names: ["a.example"] })).der, Buffer.from([0])]),
    ],
    [
      "a public key",
      () => generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ type: "spki", format: "der" }),
    ],
  ])("%s is refused", async (_, file) => {
    const bytes = await file();
    expect(() => readCertificateRequest(bytes)).toThrow();
  });

  it("any beginning of one is refused", async () => {
    const { der } = await makeCsr({ names: ["a.example"] });
    for (let length = 0; length < der.length; length++)
      expect(() => readCertificateRequest(der.subarray(0, length))).toThrow();
  });
});

describe("a private key that comes from elsewhere", () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pkcs8 = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;

  it.each([
    [
      "SEC 1, behind its curve",
      "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" +
        privateKey.export({ type: "sec1", format: "pem" }),
      pkcs8,
    ],
    [
      "PKCS#1",
      rsa.export({ type: "pkcs1", format: "pem" }).toString(),
      rsa.export({ type: "pkcs8", format: "pem" }).toString(),
    ],
    ["PKCS#8", pkcs8, pkcs8],
    ["PKCS#8 without its last newline", pkcs8.trimEnd(), pkcs8],
  ])("as %s becomes PKCS#8", (_, pem, expected) => {
    expect(asPkcs8(new Secret(pem)).reveal()).toBe(expected);
  });

  it.each([
    ["words", "not a key"],
    ["a public key", createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString()],
    [
      "a key under a passphrase",
      createPrivateKey(pkcs8)
        .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" })
        .toString(),
    ],
  ])("as %s is none", (_, pem) => {
    expect(isPrivateKey(new Secret(pem))).toBe(false);
  });
});
