import { afterAll, beforeAll, expect, it } from "vitest";
import { createIssuer, type IssuerOptions } from "../../src/acme/issuer.ts";
import { Secret } from "../../src/domain/secret.ts";
import { memoryAccounts, memoryProgress } from "../support/model/orderMemory.ts";
import { type CaFixture, issuerOptions, request, running, startCa } from "./caFixture.ts";

let ca: CaFixture;
beforeAll(async () => {
  ca = await startCa();
});
afterAll(() => ca[Symbol.asyncDispose]());

it("revokes with the account's key, and once more is harmless", async () => {
  const issuer = ca.issuer();
  const { leafPem, privateKey } = await issuer.issue(request(), memoryProgress(), ca.solvers, running());
  for (let time = 0; time < 2; time++)
    expect(await issuer.revoke?.({ leafPem, privateKey, reason: "superseded" }, running())).toBe("account");
  const sent = ca.proxy.requests.filter(({ payload }) => payload !== null && "reason" in Object(payload));
  expect(sent[0]?.payload).toMatchObject({ reason: 4 });
});

it("revokes with the certificate's own key what another account ordered", async () => {
  const { leafPem, privateKey } = await ca.issuer().issue(request(), memoryProgress(), ca.solvers, running());
  const stranger = createIssuer(issuerOptions(ca.proxy), { accounts: memoryAccounts(), now: Date.now });
  expect(await stranger.revoke?.({ leafPem, privateKey, reason: "keyCompromise" }, running())).toBe("certificate");
});

const KEYS = { "kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W" };
const wrongKey = new Secret(Buffer.from("wrong-key-wrong-key-wrong-key-32").toString("base64url"));

it.each<[string, Partial<IssuerOptions>]>([
  ["terms that are not agreed to", { termsOfServiceAgreed: false }],
  ["no account binding where one is demanded", { externalAccount: null }],
  ["a wrong account binding", { externalAccount: { keyId: "kid-1", hmacKey: async () => wrongKey } }],
  ["a contact the CA refuses", { contact: ["mailto:not-an-address"] }],
])("a compromised key is revoked although there is no account: %s", async (_why, change) => {
  await using bound = await startCa({ externalAccountKeys: KEYS });
  const externalAccount = { keyId: "kid-1", hmacKey: async () => new Secret(KEYS["kid-1"]) };
  const { leafPem, privateKey } = await bound
    .issuer({ externalAccount })
    .issue(request(), memoryProgress(), bound.solvers, running());
  const stranger = createIssuer(
    { ...issuerOptions(bound.proxy), externalAccount, ...change },
    { accounts: memoryAccounts(), now: Date.now },
  );
  expect(await stranger.revoke?.({ leafPem, privateKey, reason: "keyCompromise" }, running())).toBe("certificate");
});

it("a compromised key is revoked although the CA opens no account now", async () => {
  const { leafPem, privateKey } = await ca.issuer().issue(request(), memoryProgress(), ca.solvers, running());
  ca.proxy.intercept = async ({ resource }) =>
    resource === "newAccount" ? { status: 429, headers: { "retry-after": "3600" }, body: "" } : null;
  const stranger = createIssuer(issuerOptions(ca.proxy), { accounts: memoryAccounts(), now: Date.now });
  expect(await stranger.revoke?.({ leafPem, privateKey, reason: "keyCompromise" }, running())).toBe("certificate");
  ca.proxy.intercept = null;
});

it("does not take a page at a URL that moved for a revocation, and reads the directory again", async () => {
  const issuer = ca.issuer();
  const { leafPem, privateKey } = await issuer.issue(request(), memoryProgress(), ca.solvers, running());
  const revoke = () => issuer.revoke?.({ leafPem, privateKey, reason: "superseded" }, running());
  ca.proxy.intercept = async ({ resource }) =>
    resource === "revokeCert" ? { status: 200, headers: {}, body: "<!doctype html>" } : null;
  const directories = ca.proxy.count("directory");
  await expect(revoke()).rejects.toMatchObject({ code: "acme.server" });
  ca.proxy.intercept = null;
  expect(await revoke()).toBe("account");
  expect(ca.proxy.count("directory")).toBe(directories + 1);
});
