import "reflect-metadata";
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from "@peculiar/x509";
import { describe, expect, it } from "vitest";
import { KEY_TYPES } from "../../src/domain/certificate.ts";
import { Secret } from "../../src/domain/secret.ts";
import { createCsr } from "../../src/x509/csr.ts";
import { generateKey } from "../../src/x509/key.ts";

describe("certificate signing request", () => {
  it.each(KEY_TYPES)("is signed by its own %s key and holds DNS names and IP addresses", async (keyType) => {
    const der = await createCsr(await generateKey(keyType), [
      { type: "dns", value: "*.a.example" },
      { type: "ip", value: "192.0.2.1" },
      { type: "ip", value: "2001:db8::1" },
    ]);
    const request = new Pkcs10CertificateRequest(new Uint8Array(der));
    expect(await request.verify()).toBe(true);
    const names = request.extensions
      .find((extension) => extension instanceof SubjectAlternativeNameExtension)
      ?.names.items.map((name) => `${name.type}:${name.value}`);
    expect(names).toEqual(["dns:*.a.example", "ip:192.0.2.1", "ip:2001:db8::1"]);
    // Only the names: no must-staple (1.3.6.1.5.5.7.1.24), no common name.
    expect(request.extensions).toHaveLength(1);
    expect(request.subject).toBe("");
  });

  it("refuses a key of no supported type", async () => {
    await expect(createCsr(new Secret("rubbish"), [{ type: "dns", value: "a.example" }])).rejects.toThrow(
      "no supported type",
    );
  });
});
