import { afterAll, beforeAll, expect, it } from "vitest";
import { createIssuer } from "../../src/acme/issuer.ts";
import { memoryAccounts, memoryProgress } from "../support/orderMemory.ts";
import { type CaFixture, issuerOptions, request, running, startCa } from "./caFixture.ts";

let ca: CaFixture;
beforeAll(async () => {
  ca = await startCa();
});
afterAll(() => ca[Symbol.asyncDispose]());

it("revokes with the account's key, and once more is harmless", async () => {
  const issuer = ca.issuer();
  const { leafPem, privateKey } = await issuer.issue(request(), memoryProgress(), ca.solver, running());
  for (let time = 0; time < 2; time++) expect(await issuer.revoke?.({ leafPem, privateKey, reason: "superseded" }, running())).toBe("account");
  const sent = ca.proxy.requests.filter(({ payload }) => payload !== null && "reason" in Object(payload));
  expect(sent[0]?.payload).toMatchObject({ reason: 4 });
});

it("revokes with the certificate's own key what another account ordered", async () => {
  const { leafPem, privateKey } = await ca.issuer().issue(request(), memoryProgress(), ca.solver, running());
  const stranger = createIssuer(issuerOptions(ca.proxy), { accounts: memoryAccounts(), now: Date.now });
  expect(await stranger.revoke?.({ leafPem, privateKey, reason: "keyCompromise" }, running())).toBe("certificate");
});
