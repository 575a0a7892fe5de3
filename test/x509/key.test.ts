import { createPrivateKey, X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { KEY_TYPES } from "../../src/domain/certificate.ts";
import { Secret } from "../../src/domain/secret.ts";
import { generateKey, keyMatches, keyTypeOf } from "../../src/x509/key.ts";
import { createRoot } from "../support/ca/pki.ts";

describe("certificate keys", () => {
  it.each(KEY_TYPES)("makes a PKCS#8 %s key and recognises it again", async (keyType) => {
    const key = await generateKey(keyType);
    expect(key.reveal()).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
    expect(keyTypeOf(key)).toBe(keyType);
    expect(createPrivateKey(key.reveal()).type).toBe("private");
  });

  it.each(["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])(
    "takes %j for no key of ours",
    (text) => {
      expect(keyTypeOf(new Secret(text))).toBeNull();
    },
  );

  it("tells the matching key from another one", async () => {
    const root = await createRoot();
    const [mine, other] = [await root.issue({ names: ["a.example"] }), await root.issue({ names: ["a.example"] })];
    expect(new X509Certificate(mine.certPem).subjectAltName).toBe("DNS:a.example");
    expect(keyMatches(mine.certPem, new Secret(mine.keyPem))).toBe(true);
    expect(keyMatches(mine.certPem, new Secret(other.keyPem))).toBe(false);
    expect(keyMatches("rubbish", new Secret(mine.keyPem))).toBe(false);
  });
});
