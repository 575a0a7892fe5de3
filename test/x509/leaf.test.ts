import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { readLeaf } from "../../src/x509/leaf.ts";
import { splitPem } from "../../src/x509/pem.ts";
import { createRoot } from "../support/ca/pki.ts";

describe("reading a leaf", () => {
  it("agrees with OpenSSL about serial and fingerprint", async () => {
    const root = await createRoot();
    const { certPem } = await root.issue({ names: ["a.example"] });
    const leaf = readLeaf(certPem);
    const openssl = execFileSync("openssl", ["x509", "-noout", "-serial", "-fingerprint", "-sha256"], {
      input: certPem,
      encoding: "utf8",
    });
    expect(openssl).toContain(`serial=${leaf.serial}\n`);
    expect(openssl.replaceAll(":", "").toLowerCase()).toContain(leaf.fingerprint);
  });

  it("reads names, dates, key type and issuer", async () => {
    const root = await createRoot({ name: "Some CA" });
    const notBefore = new Date("2026-01-02T03:04:05Z");
    const notAfter = new Date("2026-04-02T03:04:05Z");
    const { certPem } = await root.issue({
      names: ["A.example", "192.0.2.1", "2001:DB8:0:0::1"],
      notBefore,
      notAfter,
      keyType: "rsa-3072",
    });
    expect(readLeaf(certPem)).toMatchObject({
      identifiers: [
        { type: "dns", value: "a.example" },
        { type: "ip", value: "192.0.2.1" },
        { type: "ip", value: "2001:db8::1" },
      ],
      notBefore: notBefore.getTime(),
      notAfter: notAfter.getTime(),
      keyType: "rsa-3072",
      issuerName: "CN=Some CA",
    });
  });

  it("reads a certificate without names as naming nothing", async () => {
    const root = await createRoot();
    expect(readLeaf((await root.issue({ names: [] })).certPem).identifiers).toEqual([]);
  });

  it("throws on what is no certificate", () => {
    expect(() => readLeaf("rubbish")).toThrow();
  });
});

describe("splitting a bundle", () => {
  it("keeps the order, drops comments and accepts any line ends", async () => {
    const [a, b] = [(await createRoot()).certPem, (await createRoot()).certPem];
    expect(splitPem(`# first\r\n${a.replaceAll("\n", "\r\n")}junk\n${b}`)).toEqual([a, b]);
  });

  it("finds nothing in nothing, and no key", async () => {
    const { keyPem } = await (await createRoot()).issue({ names: ["a.example"] });
    expect(splitPem("")).toEqual([]);
    expect(splitPem(keyPem)).toEqual([]);
  });

  it("is linear in hostile input", () => {
    const started = performance.now();
    expect(splitPem("-----BEGIN CERTIFICATE-----A".repeat(40_000))).toEqual([]);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
