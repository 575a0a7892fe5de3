import { describe, expect, it } from "vitest";
import { isPem, keepForeignBlocks, refuseTooLong } from "../../../src/deployers/base/foreignPem.ts";

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
    ["text between the blocks", `# ours\n${block("CERTIFICATE")}# theirs\n${DH}`, DH],
    ["several, in their order", block("X509 CRL") + block("CERTIFICATE") + DH, block("X509 CRL") + DH],
    ["a request for a certificate", block("CERTIFICATE") + block("CERTIFICATE REQUEST"), block("CERTIFICATE REQUEST")],
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
  ])("is refused where renewd never wrote: %s", (_what, held) => {
    expect(() => keepForeignBlocks(NEXT, held, THEIRS)).toThrow(
      expect.objectContaining({ code: "deploy.refused", message: expect.stringContaining("/etc/ssl/www.pem was not") }),
    );
    expect(() => refuseTooLong(THEIRS)).toThrow("was not written by renewd");
  });

  it("adds the pair to settings that were there before it", () => {
    expect(keepForeignBlocks(NEXT, DH, THEIRS)).toBe(NEXT + DH);
  });

  it.each([
    ["the pair of another client", block("PRIVATE KEY") + block("CERTIFICATE")],
    ["a certificate alone", block("CERTIFICATE")],
    ["a key alone", block("EC PRIVATE KEY")],
    ["an empty file", " \n"],
  ])("is replaced where renewd never wrote: %s", (_what, held) => {
    expect(keepForeignBlocks(NEXT, held, THEIRS)).toBe(NEXT);
  });

  it("concerns PEM text alone", () => {
    expect([NEXT, "{}", "# Written by renewd", new Uint8Array(3)].map(isPem)).toEqual([true, false, false, false]);
  });
});
