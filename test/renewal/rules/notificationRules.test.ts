import { expect, it } from "vitest";
import type { EventType, HistoryEvent } from "../../../src/domain/event.ts";
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

it("what ends a problem resolves the alert about it, and no other", () => {
  const event = { seq: 1, at: NOW, certificate: "www", renewalId: null, target: null, worker: "w" };
  const about = (type: EventType, detail: HistoryEvent["detail"] = {}) => {
    const found = notificationOf({ ...event, type, detail }, { expiresAt: null });
    return [found?.alert, found?.resolves];
  };
  expect(about("renewal.failed", { code: "acme.timeout" })).toEqual(["certificate/www", false]);
  expect(about("certificate.expiring")).toEqual(["certificate/www", false]);
  expect(about("renewal.succeeded")).toEqual(["certificate/www", true]);
  expect(about("certificate.unplannable")).toEqual(["planning/www", false]);
  expect(about("certificate.plannable")).toEqual(["planning/www", true]);
  expect(about("verify.stale", { endpoint: "e" })).toEqual(["endpoint/www/e", false]);
  expect(about("verify.converged", { endpoint: "e" })).toEqual(["endpoint/www/e", true]);
  expect(about("clock.skewed")).toEqual(["clock", false]);
  expect(about("clock.recovered")).toEqual(["clock", true]);
});
