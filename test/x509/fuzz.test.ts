// Seeded and bounded: what strangers send through every reader of DER and PEM. A failure prints seed and path to
// replay.
import { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { RenewalError } from "../../src/domain/errors.ts";
import { Secret } from "../../src/domain/secret.ts";
import { describeServed } from "../../src/tls/served.ts";
import { certId } from "../../src/x509/certId.ts";
import { readCertificateRequest } from "../../src/x509/certificateRequest.ts";
import { leadsTo, topIssuerName } from "../../src/x509/chain.ts";
import { crlUrls, revokedIn } from "../../src/x509/crl.ts";
import { createCsr } from "../../src/x509/csr.ts";
import { EXTENSION, extensionOf } from "../../src/x509/extension.ts";
import { issuedChains, withoutRoot } from "../../src/x509/issued.ts";
import { isPrivateKey, keyMatches, keyTypeOf } from "../../src/x509/key.ts";
import { readKeyUsage, readUsages } from "../../src/x509/keyUsage.ts";
import { readLeaf } from "../../src/x509/leaf.ts";
import { splitPem } from "../../src/x509/pem.ts";
import { isSignedBy } from "../../src/x509/signature.ts";
import { readSubjectAltName } from "../../src/x509/subjectAltName.ts";
import { makeCrl } from "../support/ca/crl.ts";
import { createRoot, newKeyPem } from "../support/ca/pki.ts";
import { identifierOf } from "../support/identifier.ts";

const SEED = 20_261_128;
const RUNS = 400;
/** Collecting garbage may fall within it. What grows with the square of a megabyte takes minutes. */
const INPUT_CPU_MAX_MS = 500;

const NAMES = ["a.example", "*.b.example", "192.0.2.1", "2001:db8::1"];
let certificate: Uint8Array;
let request: Uint8Array;
let list: Uint8Array;
let rootPem: string;
let keyPem: string;
beforeAll(async () => {
  const root = await createRoot();
  const leaf = await root.issue({ names: NAMES, keyUsage: ["digitalSignature"] });
  keyPem = newKeyPem("ecdsa-p256");
  rootPem = root.certPem;
  certificate = new Uint8Array(new X509Certificate(leaf.certPem).raw);
  request = await createCsr(new Secret(keyPem), NAMES.map(identifierOf));
  list = await makeCrl(root, { revoked: { "01": "keyCompromise", "0A": null } });
});

type Reader = (bytes: Uint8Array) => unknown;

const pemOf = (bytes: Uint8Array): string =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(bytes).toString("base64")}\n-----END CERTIFICATE-----\n`;

/** Callers catch a TypeError, or OpenSSL's error, and say what it was about; nothing else may come out. */
const CATCHING: Readonly<Record<string, Reader>> = {
  readSubjectAltName,
  extensionOf: (bytes) => extensionOf(bytes, EXTENSION.authorityKeyIdentifier),
  readKeyUsage,
  crlUrls,
  readCertificateRequest: (bytes) => {
    const { signed, publicKey } = readCertificateRequest(bytes);
    return isSignedBy(signed, publicKey);
  },
  revokedIn: (bytes) => revokedIn(bytes, rootPem, ["01", "0A"]),
  readLeaf: (bytes) => readLeaf(pemOf(bytes)),
  readUsages: (bytes) => readUsages(pemOf(bytes)),
  certId: (bytes) => certId(pemOf(bytes)),
  topIssuerName: (bytes) => topIssuerName([pemOf(bytes)]),
  leadsTo: (bytes) => leadsTo([pemOf(bytes)], "Some root"),
  withoutRoot: (bytes) => withoutRoot([pemOf(bytes)]),
  describeServed: (bytes) => describeServed(new X509Certificate(Buffer.from(bytes))),
};

/** These throw nothing, or only a RenewalError. */
const QUIET: Readonly<Record<string, Reader>> = {
  splitPem: (bytes) => splitPem(Buffer.from(bytes).toString("latin1")),
  "splitPem of a block": (bytes) => splitPem(pemOf(bytes)),
  keyMatches: (bytes) => keyMatches(pemOf(bytes), new Secret(keyPem)),
  isPrivateKey: (bytes) => isPrivateKey(new Secret(Buffer.from(bytes).toString("latin1"))),
  keyTypeOf: (bytes) => keyTypeOf(new Secret(Buffer.from(bytes).toString("latin1"))),
  issuedChains: (bytes) =>
    issuedChains({
      ...{ certificates: [pemOf(bytes), pemOf(bytes), rootPem], privateKey: new Secret(keyPem) },
      ...{ identifiers: NAMES.map(identifierOf), now: Date.now() },
    }),
};

function isExpected(thrown: unknown, isQuiet: boolean): boolean {
  if (isQuiet) return thrown instanceof RenewalError;
  if (thrown instanceof TypeError) return true;
  return (
    thrown instanceof Error && ("opensslErrorStack" in thrown || /^ERR_/.test(String(Reflect.get(thrown, "code"))))
  );
}

function read(readers: Readonly<Record<string, Reader>>, isQuiet: boolean, bytes: Uint8Array): void {
  for (const [name, reader] of Object.entries(readers)) {
    // Of this thread alone: other processes of a busy machine do not count.
    const before = process.threadCpuUsage();
    try {
      reader(bytes);
    } catch (thrown) {
      if (!isExpected(thrown, isQuiet)) throw new Error(`${name} threw ${String(thrown)}`, { cause: thrown });
    }
    const { user, system } = process.threadCpuUsage(before);
    expect((user + system) / 1_000, `${name} in ms`).toBeLessThan(INPUT_CPU_MAX_MS);
  }
}

interface Edit {
  readonly at: number;
  readonly octet: number;
  readonly kind: "set" | "insert" | "cut" | "double";
}

function damaged(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
  let result = Buffer.from(bytes);
  for (const { at, octet, kind } of edits) {
    const index = Math.floor(at * result.length);
    const [head, tail] = [result.subarray(0, index), result.subarray(index)];
    if (kind === "set" && result.length > 0) result[Math.min(index, result.length - 1)] = octet;
    if (kind === "insert") result = Buffer.concat([head, Buffer.of(octet), tail]);
    if (kind === "cut") result = Buffer.from(head);
    if (kind === "double") result = Buffer.concat([result, tail]);
  }
  return result;
}

const EDIT = fc.record<Edit>({
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  octet: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0x00, 0x30, 0x7f, 0x80, 0x84, 0xa0, 0xff)),
  kind: fc.constantFrom("set", "set", "set", "insert", "cut", "double"),
});
const EDITS = fc.array(EDIT, { minLength: 1, maxLength: 6 });
const LIMITS = { seed: SEED, numRuns: RUNS };

describe.each([
  ["whose callers catch", CATCHING, false],
  ["that throw nothing foreign", QUIET, true],
] as const)("readers of DER and PEM %s", (_name, readers, isQuiet) => {
  it("survive random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => read(readers, isQuiet, bytes)),
      LIMITS,
    );
  });

  it.each([
    ["certificates", () => certificate],
    ["requests", () => request],
    ["revocation lists", () => list],
    ["PEM bundles", () => Buffer.from(`${pemOf(certificate)}${rootPem}${keyPem}`)],
  ])("survive damaged %s", (_what, base) => {
    fc.assert(
      fc.property(EDITS, (edits) => read(readers, isQuiet, damaged(base(), edits))),
      LIMITS,
    );
  });

  it.each<[string, () => Uint8Array]>([
    [
      "a structure nested ten thousand times",
      () => Buffer.concat(Array.from({ length: 10_000 }, () => Buffer.of(0x30, 0x80))),
    ],
    ["a length of four gigabytes", () => Buffer.from("3084ffffffff", "hex")],
    ["a megabyte of zeros", () => new Uint8Array(1_000_000)],
    ["a megabyte of PEM beginnings", () => Buffer.from("-----BEGIN CERTIFICATE-----\n".repeat(35_000))],
    [
      "a megabyte of base64 that never ends",
      () => Buffer.from(`-----BEGIN CERTIFICATE-----\n${"A".repeat(1_000_000)}`),
    ],
    ["a megabyte of white space in a block", () => Buffer.from(`-----BEGIN CERTIFICATE-----${" \n".repeat(500_000)}`)],
  ])("survive %s", (_what, bytes) => {
    read(readers, isQuiet, bytes());
  });
});
