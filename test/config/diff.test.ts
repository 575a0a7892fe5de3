import { expect, test } from "vitest";
import { diffConfig } from "../../src/config/diff.ts";
import { createRoot } from "../support/ca/pki.ts";
import { configFile, estate } from "./configFile.ts";

const BEFORE = `  a: { names: [a.example, b.example], endpoints: [a.example] }\n  b: { names: [b.example], endpoints: [b.example] }`;

test.each([
  [
    "nothing, for another order of names and keys",
    BEFORE.replace(
      "names: [a.example, b.example], endpoints: [a.example]",
      "endpoints: [a.example], names: [b.example, a.example]",
    ),
    {},
  ],
  [
    "a certificate's own key type",
    BEFORE.replace("endpoints: [b.example]", "endpoints: [b.example], keyType: rsa-2048"),
    { changed: ["b"] },
  ],
  ["a certificate gone and one come", BEFORE.replace("  b:", "  c:"), { added: ["c"], removed: ["b"] }],
])("tells what a reload changes: %s", async (_, after, diff) => {
  await using one = await configFile(estate(BEFORE));
  await using two = await configFile(estate(after));
  expect(diffConfig(await one.config(), await two.config())).toEqual({ added: [], removed: [], changed: [], ...diff });
});

test.each([
  ["target", "/etc/tls/{certificate}.pem", "/etc/ssl/{certificate}.pem"],
  ["issuer", "https://ca.example/dir", "https://ca.example/other"],
  ["solver", "{ type: test-dns }", "{ type: test-dns, zone: x }"],
  ["default", "defaults: { ", "defaults: { keyType: rsa-4096, "],
])("a changed %s changes the certificates that use it", async (_, from, to) => {
  const content = estate("  a: { names: [a.example], endpoints: [a.example], solver: dns }");
  await using one = await configFile(content);
  await using two = await configFile(content.replace(from, to));
  expect(diffConfig(await one.config(), await two.config()).changed).toEqual(["a"]);
});

test("a changed secret changes nothing, a mended trust file does", async () => {
  const [first, second] = [await createRoot(), await createRoot()];
  const issuer =
    '{ directory: "https://ca.example/dir", termsOfServiceAgreed: true, trust: ca.pem, externalAccount: { keyId: k, hmacKey: env:HMAC } }';
  await using file = await configFile(
    estate().replace('{ directory: "https://ca.example/dir", termsOfServiceAgreed: true }', issuer),
  );
  await file.write("ca.pem", first.certPem);
  const before = await file.config({ HMAC: "one" });
  expect(diffConfig(before, await file.config({ HMAC: "two" })).changed).toEqual([]);
  await file.write("ca.pem", second.certPem);
  expect(diffConfig(before, await file.config({ HMAC: "one" })).changed).toEqual(["www"]);
});
