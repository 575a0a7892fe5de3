import { describe, expect, it } from "vitest";
import { isPem, keepForeignBlocks, refuseTooLong, refuseUnreadable } from "../../../src/deployers/base/foreignPem.ts";
import { readLeaf } from "../../../src/x509/leaf.ts";
import { createRoot } from "../../support/ca/pki.ts";

const block = (label: string, body = "AAAA"): string => `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
const NEXT = block("PRIVATE KEY", "NEWK") + block("CERTIFICATE", "NEWC");
const OURS = { path: "/etc/ssl/www.pem", isOwn: true };
const THEIRS = { ...OURS, isOwn: false };
const DH = block("DH PARAMETERS");

describe("what a certificate's file holds beside the pair", () => {
  it.each([
    ["DH parameters at the end", block("PRIVATE KEY") + block("CERTIFICATE") + DH, DH],
    ["DH parameters in front", DH + block("PRIVATE KEY") + block("CERTIFICATE"), DH],
    ["Windows line ends", (block("CERTIFICATE") + DH).replaceAll("\n", "\r\n"), DH],
    ["blank lines around", `${block("CERTIFICATE")}\n\n${DH}\n\n`, DH],
    ["comments", `# ours\n${block("CERTIFICATE")}# theirs\n${DH}# end\n`, `# ours\n# theirs\n${DH}# end\n`],
    ["what OpenSSL prints in front of it", `${block("CERTIFICATE")}Bag Attributes\n${DH}`, `Bag Attributes\n${DH}`],
    ["several, in their order", block("X509 CRL") + block("CERTIFICATE") + DH, block("X509 CRL") + DH],
    ["a request for a certificate", block("CERTIFICATE") + block("CERTIFICATE REQUEST"), block("CERTIFICATE REQUEST")],
    [
      "a block of another program",
      block("CERTIFICATE") + block("OpenVPN Static key V1"),
      block("OpenVPN Static key V1"),
    ],
    ["a curve that Apache reads", block("CERTIFICATE") + block("EC PARAMETERS"), block("EC PARAMETERS")],
  ])("is kept: %s", (_what, held, kept) => {
    expect(keepForeignBlocks(NEXT, held, OURS)).toBe(NEXT + kept);
    expect(keepForeignBlocks(NEXT, NEXT + kept, OURS)).toBe(NEXT + kept);
  });

  it.each([
    ["the old pair", block("PRIVATE KEY") + block("CERTIFICATE") + block("CERTIFICATE")],
    ["a key of one kind", block("RSA PRIVATE KEY")],
    ["a key of another kind, twice", block("EC PRIVATE KEY") + block("EC PRIVATE KEY")],
    ["an encrypted key", block("ENCRYPTED PRIVATE KEY")],
    ["the curve of an old key", block("EC PARAMETERS") + block("EC PRIVATE KEY") + block("CERTIFICATE")],
    ["certificates of every kind", block("TRUSTED CERTIFICATE") + block("X509 CERTIFICATE")],
    [
      "what OpenSSL prints in front of the pair",
      `Bag Attributes\n  localKeyID: 01\nsubject=CN = x\n${block("CERTIFICATE")}`,
    ],
    ["a block without an end", "-----BEGIN DH PARAMETERS-----\nAAAA\n"],
    ["no PEM at all", "nonsense"],
    ["nothing", ""],
  ])("is not kept: %s", (_what, held) => {
    expect(keepForeignBlocks(NEXT, held, OURS)).toBe(NEXT);
  });

  it("is refused when a private key would be lost, as of a second pair in the same file", () => {
    const two = block("PRIVATE KEY") + block("CERTIFICATE") + block("EC PRIVATE KEY", "BBBB") + block("CERTIFICATE");
    expect(() => keepForeignBlocks(NEXT, two, OURS)).toThrow(
      expect.objectContaining({
        code: "deploy.refused",
        message: expect.stringContaining("/etc/ssl/www.pem holds 2 private keys"),
      }),
    );
  });

  it.each([
    ["text", "a note"],
    ["a block without an end", "-----BEGIN CERTIFICATE-----\nAAAA\n"],
    ["a key as DER", "0\u0081\u0087\u0002"],
    ["the key of an SSH server", block("OPENSSH PRIVATE KEY")],
    ["an encrypted key", block("ENCRYPTED PRIVATE KEY")],
    ["an encrypted key as OpenSSL once wrote it", block("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\n\nAAAA")],
    ["a program's settings", `client\nremote x 1194\n<cert>\n${block("CERTIFICATE")}</cert>\n`],
    ["a program's settings behind the pair", `${block("CERTIFICATE")}remote x 1194\n`],
    ["a pair whose last block has no end", `${block("CERTIFICATE")}-----BEGIN PRIVATE KEY-----\nAAAA\n`],
  ])("is refused where renewd never wrote: %s", (_what, held) => {
    expect(() => keepForeignBlocks(NEXT, held, THEIRS)).toThrow(
      expect.objectContaining({ code: "deploy.refused", message: expect.stringContaining("/etc/ssl/www.pem was not") }),
    );
    expect(() => refuseTooLong(THEIRS)).toThrow("was not written by renewd");
  });

  it("is overwritten all the same when the options adopt it", () => {
    const two = block("PRIVATE KEY") + block("CERTIFICATE") + block("EC PRIVATE KEY", "BBBB");
    for (const held of [two, "a note"]) expect(keepForeignBlocks(NEXT, held, { ...THEIRS, adopt: true })).toBe(NEXT);
    expect(() => refuseUnreadable(THEIRS)).toThrow("cannot be read");
    expect(() => refuseUnreadable({ ...THEIRS, adopt: true })).not.toThrow();
  });

  it("keeps certificates that are no part of the pair, and never a pair's old chain", async () => {
    const root = await createRoot();
    const intermediate = await root.intermediate();
    const [old, next, other] = await Promise.all([1, 2, 3].map(() => intermediate.issue({ names: ["a.test"] })));
    const stranger = (await createRoot({ name: "another CA" })).certPem;
    const pem = (leaf: { certPem: string }) => leaf.certPem + intermediate.certPem;
    if (old === undefined || next === undefined || other === undefined) return expect.unreachable();
    const wanted = next.keyPem + pem(next);
    const renew = (held: string, written?: readonly string[]): string =>
      keepForeignBlocks(wanted, held, { ...OURS, written }).slice(wanted.length);
    const chain = [old.certPem, intermediate.certPem].map((one) => readLeaf(one).fingerprint);
    // The leaf's issuers are replaced with it; certificates of others stay.
    expect(renew(old.keyPem + pem(old) + root.certPem)).toBe("");
    expect(renew(old.keyPem + pem(old) + stranger)).toBe(stranger);
    // Where renewd knows what it wrote, anything behind that was added by somebody.
    expect(renew(old.keyPem + pem(old) + root.certPem + stranger, chain)).toBe(root.certPem + stranger);
    expect(renew(`${stranger}${old.keyPem}${pem(old)}`, chain)).toBe(stranger);
    // A pair that was put there by hand is no addition.
    expect(renew(other.keyPem + pem(other), chain)).toBe("");
    expect(renew(wanted + stranger, chain)).toBe(stranger);
  });

  it("adds the pair to settings that were there before it", () => {
    expect(keepForeignBlocks(NEXT, DH, THEIRS)).toBe(NEXT + DH);
  });

  it.each([
    ["the pair of another client", block("PRIVATE KEY") + block("CERTIFICATE")],
    ["a certificate alone", block("CERTIFICATE")],
    ["a key alone", block("EC PRIVATE KEY")],
    ["an empty file", " \n"],
    [
      "what OpenSSL prints around a pair",
      `Bag Attributes\n    localKeyID: 01\nsubject=CN=x\nissuer=CN=y\n${block("CERTIFICATE")}Key Attributes: <No Attributes>\n${block("PRIVATE KEY")}`,
    ],
    ["a certificate with its text", `Certificate:\n    Data:\n        Version: 3 (0x2)\n${block("CERTIFICATE")}`],
  ])("is replaced where renewd never wrote: %s", (_what, held) => {
    expect(keepForeignBlocks(NEXT, held, THEIRS)).toBe(NEXT);
  });

  it("concerns PEM text alone", () => {
    expect([NEXT, "{}", "# Written by renewd", new Uint8Array(3)].map(isPem)).toEqual([true, false, false, false]);
  });
});
