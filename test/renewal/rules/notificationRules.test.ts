import { expect, it } from "vitest";
import type { EventType, HistoryEvent } from "../../../src/domain/event.ts";
import { describeEvent, notificationOf } from "../../../src/renewal/rules/notificationRules.ts";
import { NOW } from "../../support/model/facts.ts";

const EVENT = { seq: 1, at: NOW, certificate: "www", renewalId: null, target: null, worker: "w" };

it("an account that a CA no longer accepts pages, with the new URL and why that matters", () => {
  const detail = { issuer: "ca", from: "https://ca/acct/1", to: "https://ca/acct/2", why: "deactivated" };
  const found = describeEvent({ ...EVENT, type: "account.replaced", detail });
  expect(found).toMatchObject({ severity: "page", action: expect.stringContaining("`accounturi`") });
  expect(found?.message).toContain("no longer accepts account https://ca/acct/1 (deactivated)");
  expect(found?.message).toContain("the new account is https://ca/acct/2");
  const records = ['a. IN CAA 0 issue "ca; accounturi=https://ca/acct/2"', "_validation-persist.a. IN TXT x"];
  const whole = describeEvent({ ...EVENT, type: "account.replaced", detail: { ...detail, records, unchecked: 3 } });
  expect(whole?.message).toContain(`have to name it: (1) ${records[0]} (2) ${records[1]}; the CAA records of 3 names`);
});

it("a message about an alert goes to its channels, and its end resolves that alert alone", () => {
  const about = (type: EventType, detail: HistoryEvent["detail"] = {}) => {
    const known = { alert: "0badcafe", severity: "page", message: "www: no", channels: ["ops"], acknowledgements: 2 };
    return notificationOf({ ...EVENT, type, detail: { ...known, ...detail } });
  };
  const alert = "alert/0badcafe";
  expect(about("alert.opened")).toMatchObject({
    ...{ alert, resolves: false, channels: ["ops"], severity: "page" },
    acknowledge: { alert: "0badcafe", acknowledgements: 2 },
  });
  expect(about("alert.resolved")).toMatchObject({ alert, resolves: true });
  expect(about("alert.resolved")?.acknowledge, "what is over needs nobody").toBeUndefined();
  expect(about("alert.acknowledged")).toMatchObject({ alert, resolves: false });
  expect(about("renewal.succeeded", { generation: 2 })).toMatchObject({ alert: "certificate/www", resolves: true });
  expect(about("renewal.failed"), "it is grouped by its cause").toBeNull();
  expect(about("alert.opened", { severity: "loud" }), "somebody else wrote it").toBeNull();
});
