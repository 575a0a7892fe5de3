import "reflect-metadata";
import { createHash, generateKeyPairSync } from "node:crypto";
import { X509Certificate } from "@peculiar/x509";
import { expect, it } from "vitest";
import { createTlsAlpnCertificate } from "../../src/x509/tlsAlpn.ts";

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const NOW = Date.parse("2026-11-28T20:00:00Z");
const KEY_AUTHORIZATION = "token.thumbprint";

it.each([
  [{ type: "dns", value: "www.example.org" }, "dns:www.example.org"],
  [{ type: "ip", value: "192.0.2.7" }, "ip:192.0.2.7"],
  [{ type: "ip", value: "2001:db8::7" }, "ip:2001:db8::7"],
] as const)("the certificate for %j is what RFC 8737 §3 wants", async (identifier, name) => {
  const der = createTlsAlpnCertificate(privateKey, identifier, KEY_AUTHORIZATION, NOW);
  const certificate = new X509Certificate(new Uint8Array(der));
  expect(await certificate.isSelfSigned()).toBe(true);
  expect([certificate.notBefore.toISOString(), certificate.notAfter.toISOString()]).toEqual([
    "2026-11-27T20:00:00.000Z",
    "2026-11-29T20:00:00.000Z",
  ]);
  const [names, acme, ...others] = certificate.extensions;
  expect(others).toEqual([]);
  expect(names).toMatchObject({ type: "2.5.29.17", critical: false });
  expect(names).toHaveProperty("names.items", [expect.objectContaining({ type: name.split(":")[0] })]);
  expect(names?.toString("text")).toContain(name.slice(name.indexOf(":") + 1));
  expect(acme).toMatchObject({ type: "1.3.6.1.5.5.7.1.31", critical: true });
  // An OCTET STRING of 32 octets inside the extension's own.
  const digest = createHash("sha256").update(KEY_AUTHORIZATION).digest("hex");
  expect(Buffer.from(acme?.value ?? new ArrayBuffer(0)).toString("hex")).toBe(`0420${digest}`);
});
