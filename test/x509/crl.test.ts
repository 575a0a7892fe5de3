import { X509Certificate } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { crlUrls, revokedIn } from "../../src/x509/crl.ts";
import { makeCrl, REVOKED_AT } from "../support/ca/crl.ts";
import { type Authority, createRoot } from "../support/ca/pki.ts";

const MINE = "7F0000000000000000000000000000AA";
const HIGH = "9F00000000000000000000000000BB";
const OTHER = "7F0000000000000000000000000000CC";

let root: Authority;
beforeAll(async () => {
  root = await createRoot({ name: "List CA" });
});

describe("a revocation list", () => {
  it.each([
    ["ecdsa-p256", "sha256"],
    ["ecdsa-p384", "sha384"],
    ["rsa-2048", "sha512"],
  ] as const)("signed by %s with %s tells which of ours were revoked, when and why", async (keyType, digest) => {
    const issuer = await createRoot({ keyType });
    const list = await makeCrl(issuer, {
      revoked: { [MINE]: "keyCompromise", [HIGH]: null, "01": "superseded" },
      digest,
    });
    expect(revokedIn(list, issuer.certPem, [MINE, HIGH, OTHER])).toEqual(
      new Map([
        [MINE, { at: REVOKED_AT, reason: "keyCompromise" }],
        [HIGH, { at: REVOKED_AT, reason: "unspecified" }],
      ]),
    );
    expect(revokedIn(list, issuer.certPem, ["01", "0001"]).size).toBe(1);
    expect(revokedIn(list, issuer.certPem, [OTHER])).toEqual(new Map());
  });

  it("that is empty revokes nothing, and a serial inside another is not revoked", async () => {
    expect(revokedIn(await makeCrl(root, { revoked: {} }), root.certPem, [MINE])).toEqual(new Map());
    expect(revokedIn(await makeCrl(root, { revoked: { [`${MINE}01`]: null } }), root.certPem, [MINE])).toEqual(
      new Map(),
    );
  });

  it("of thousands of entries is read in a moment", async () => {
    const many = Array.from(
      { length: 20_000 },
      (_, index) => [`7E${index.toString(16).padStart(30, "0").toUpperCase()}`, "superseded"] as const,
    );
    const list = await makeCrl(root, { revoked: Object.fromEntries([...many, [MINE, "cessationOfOperation"]]) });
    const started = performance.now();
    expect(revokedIn(list, root.certPem, [MINE]).get(MINE)?.reason).toBe("cessationOfOperation");
    expect(performance.now() - started).toBeLessThan(3_000);
  });

  it("is not believed when it is another's, was changed, or its issuer may not sign lists", async () => {
    const list = await makeCrl(root, { revoked: { [MINE]: null } });
    expect(() => revokedIn(list, "nonsense", [MINE])).toThrow();
    const other = await createRoot({ name: "Other CA" });
    expect(() => revokedIn(list, other.certPem, [MINE])).toThrow("another issuer");
    // The same name, another key.
    const impostor = await createRoot({ name: "List CA" });
    expect(() => revokedIn(list, impostor.certPem, [MINE])).toThrow("signature");
    const changed = Buffer.from(list);
    const at = changed.indexOf(MINE, 0, "hex");
    changed[at + 15] = 0xab;
    expect(() => revokedIn(changed, root.certPem, [MINE])).toThrow("signature");
    const leaf = await root.issue({ names: ["List CA"], keyPem: root.keyPem, keyUsage: ["digitalSignature"] });
    expect(() => revokedIn(list, leaf.certPem, [MINE])).toThrow("may not sign lists");
  });

  it.each([
    ["about changes only", ["2.5.29.27 = critical,DER:020101"], "critical extension"],
    ["of unknown rules", ["1.2.3.4 = critical,ASN1:UTF8:what"], "critical extension"],
    [
      "about others' certificates",
      ["issuingDistributionPoint = critical,@point", "[point]", "indirectCRL = TRUE"],
      "indirect",
    ],
  ])("%s is not used", async (_what, extensions, message) => {
    const list = await makeCrl(root, { revoked: { [MINE]: null }, extensions });
    expect(() => revokedIn(list, root.certPem, [MINE])).toThrow(message);
  });

  it("for a part of the CA's certificates, as Let's Encrypt publishes them, is used", async () => {
    const extensions = [
      "issuingDistributionPoint = critical,@point",
      "[point]",
      "fullname = URI:http://ca.example/1.crl",
      "onlyuser = TRUE",
    ];
    expect(revokedIn(await makeCrl(root, { revoked: { [MINE]: null }, extensions }), root.certPem, [MINE]).size).toBe(
      1,
    );
  });

  it("that is damaged anywhere or cut ends with an error or a refused signature, never with a revocation", async () => {
    const list = new Uint8Array(await makeCrl(root, { revoked: { [OTHER]: null } }));
    for (let at = 0; at < list.length; at += 1) {
      expect(() => revokedIn(list.subarray(0, at), root.certPem, [OTHER])).toThrow();
      expect(() => revokedIn(list.with(at, (list[at] ?? 0) ^ 0x55), root.certPem, [OTHER])).toThrow();
    }
  });
});

describe("where a certificate says its list is", () => {
  const urls = async (crls?: readonly string[]): Promise<string[]> => {
    const { certPem } = await root.issue({ names: ["a.example"], ...(crls && { crlUrls: crls }) });
    return crlUrls(new X509Certificate(certPem).raw);
  };

  it("is taken from it if it can be fetched by plain http or https", async () => {
    expect(await urls()).toEqual([]);
    expect(await urls(["http://ca.example/1.crl", "https://ca.example/2.crl"])).toEqual(
      expect.arrayContaining(["http://ca.example/1.crl"]),
    );
    expect(
      await urls([
        "ldap://ca.example/cn=x",
        "file:///etc/passwd",
        "http://user:word@ca.example/",
        "http://ca.example/a b",
      ]),
    ).toEqual([]);
    expect(await urls(["ldap://ca.example/cn=x", "https://ca.example/2.crl"])).toEqual(["https://ca.example/2.crl"]);
  });
});
