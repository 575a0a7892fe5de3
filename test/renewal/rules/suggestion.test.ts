import { describe, expect, it } from "vitest";
import { unlimited } from "../../../src/domain/budget.ts";
import type { RenewalInfoRecord } from "../../../src/domain/renewalInfo.ts";
import { decide } from "../../../src/renewal/rules/decide.ts";
import { chooseInstant, countOverdue, nextDueAt, windowFault } from "../../../src/renewal/rules/suggestion.ts";
import {
  certificate,
  DAY_MS,
  deployment,
  endpointStatus,
  ISSUED_AT,
  NOW,
  record,
  renewalInfo,
  version,
} from "../../support/model/facts.ts";

const POLICY = { renewAtFractionLeft: null, jitterFraction: 0 };
const OWN = ISSUED_AT + 60 * DAY_MS;
const EMERGENCY = ISSUED_AT + 85.5 * DAY_MS;

const at = (days: number, patch: Partial<RenewalInfoRecord> = {}): RenewalInfoRecord =>
  renewalInfo({ renewAt: ISSUED_AT + days * DAY_MS, polledAt: ISSUED_AT + 80 * DAY_MS, ...patch });

const facts = (info: RenewalInfoRecord | null) => ({
  ...{ certificate: certificate(), record: record(), version: version(), active: null, renewalInfo: info },
  ...{ deployments: [deployment({ deployedGeneration: 1 })], endpoints: [endpointStatus()] },
  ...{ replacement: null, budget: { ca: unlimited("ca"), buckets: new Map() } },
});

describe("a CA's suggestion", () => {
  it.each<[string, RenewalInfoRecord | null, number]>([
    ["none", null, OWN],
    ["earlier than the own window", at(20), ISSUED_AT + 20 * DAY_MS],
    ["later than the own window", at(70), ISSUED_AT + 70 * DAY_MS],
    ["later than safe", at(89, { polledAt: ISSUED_AT + 84 * DAY_MS }), EMERGENCY],
    ["about another generation", at(20, { generation: 2 }), OWN],
    ["taken back", at(20, { windowStart: null, windowEnd: null, renewAt: null }), OWN],
    ["later, but not confirmed for days", at(89, { polledAt: ISSUED_AT + 60 * DAY_MS }), ISSUED_AT + 63 * DAY_MS],
  ])("that is %s decides when the certificate is due", (_name, info, expected) => {
    expect(nextDueAt(version(), POLICY, info)).toBe(expected);
  });

  it.each<[string, RenewalInfoRecord, number, object]>([
    ["is not yet there", at(20), NOW, { due: false, blockedBy: null, until: ISSUED_AT + 20 * DAY_MS }],
    ["has come", at(20), ISSUED_AT + 20 * DAY_MS, { due: true, reason: "renewalInfo" }],
    ["is in the past", at(-400), NOW, { due: true, reason: "renewalInfo" }],
    [
      "keeps the own window waiting",
      at(70),
      OWN + DAY_MS,
      { due: false, blockedBy: null, until: ISSUED_AT + 70 * DAY_MS },
    ],
    ["would be too late", at(89), EMERGENCY, { due: true, reason: "emergency" }],
  ])("whose instant %s", (_name, info, now, expected) => {
    expect(decide(facts(info), now)).toMatchObject(expected);
  });

  it("tells people where the CA explains itself", () => {
    const info = at(5, { explanationUrl: "https://ca.example/incident" });
    expect(decide(facts(info), NOW).detail).toContain("see https://ca.example/incident");
    expect(decide(facts({ ...info, renewAt: NOW + DAY_MS }), NOW).detail).toContain("https://ca.example/incident");
  });

  it("is spread evenly over the window", () => {
    const window = { start: 1_000, end: 2_000 };
    expect([0, 0.5, 0.999].map((random) => chooseInstant(window, random))).toEqual([1_000, 1_500, 1_999]);
  });
});

describe("a CA's window", () => {
  const { leaf } = version();
  const day = (days: number): number => ISSUED_AT + days * DAY_MS;

  it.each<[string, number, number, string | null]>([
    ["inside the certificate's life", 50, 60, null],
    ["in the past, to have it replaced at once", 8, 9, null],
    ["in the past, before the certificate", -400, -399, null],
    ["until the certificate expires", 80, 90, null],
    ["that ends after the certificate", 50, 90.001, "a window that ends after the certificate expires"],
    ["that begins before the certificate and is open", -1, 60, "a window that begins before the certificate"],
    ["that ends before its start", 60, 50, "a window that does not end after its start"],
  ])("%s: %s to %s is refused as %s", (_name, start, end, fault) => {
    expect(windowFault({ start: day(start), end: day(end) }, leaf, NOW)).toBe(fault);
  });

  it("that has begun while a version is fresh counts once for each, until one got old without that", () => {
    const past = { start: day(-2), end: day(-1) };
    const future = { start: day(50), end: day(60) };
    const fresh = ISSUED_AT + 60_000;
    const first = { overdueInRow: 1, polledAt: null, windowStart: null };
    expect(countOverdue(first, past, leaf, fresh)).toBe(2);
    expect(countOverdue({ ...first, polledAt: fresh, windowStart: past.start }, past, leaf, fresh)).toBe(1);
    // Sound at the first poll, and moved into the past before the version's own interval is over.
    expect(countOverdue(first, future, leaf, fresh)).toBe(1);
    const moved = { ...first, polledAt: fresh, windowStart: future.start };
    expect(countOverdue(moved, past, leaf, fresh + DAY_MS)).toBe(2);
    const nextMoment = { start: fresh + 1_000, end: fresh + 2_000 };
    expect(countOverdue(first, nextMoment, leaf, fresh), "in the past at the next tick").toBe(2);
    expect(countOverdue(moved, past, leaf, day(30)), "a later incident").toBe(1);
    expect(countOverdue(moved, future, leaf, day(30))).toBe(0);
    // An older version, polled for the first time after an upgrade or an import.
    expect(countOverdue(first, past, leaf, day(30))).toBe(0);
  });

  it.each<[string, Partial<RenewalInfoRecord>, number]>([
    ["once in a row is an order", { overdueInRow: 1 }, ISSUED_AT - DAY_MS],
    ["twice in a row is the CA's fault", { overdueInRow: 2 }, OWN],
    ["soon after the last order waits a tenth of the life", { orderedAt: ISSUED_AT }, ISSUED_AT + 9 * DAY_MS],
  ])("in the past %s", (_name, patch, expected) => {
    const info = renewalInfo({ windowStart: day(-2), windowEnd: day(-1), renewAt: ISSUED_AT - DAY_MS, ...patch });
    expect(nextDueAt(version(), POLICY, info)).toBe(expected);
  });
});
