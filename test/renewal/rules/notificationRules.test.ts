import { expect, it } from "vitest";
import { notificationOf } from "../../../src/renewal/rules/notificationRules.ts";
import { NOW } from "../../support/model/facts.ts";

it("an account that a CA no longer accepts pages, with the new URL and why that matters", () => {
  const detail = { issuer: "ca", from: "https://ca/acct/1", to: "https://ca/acct/2", why: "deactivated" };
  const event = { seq: 1, at: NOW, certificate: "www", renewalId: "r1", target: null, worker: "w", detail };
  const found = notificationOf({ ...event, type: "account.replaced" }, { expiresAt: null });
  expect(found).toMatchObject({ severity: "page", action: expect.stringContaining("`accounturi`") });
  expect(found?.message).toContain("no longer accepts account https://ca/acct/1 (deactivated)");
  expect(found?.message).toContain("the new account is https://ca/acct/2");
});
