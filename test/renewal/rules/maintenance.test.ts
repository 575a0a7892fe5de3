import { describe, expect, it } from "vitest";
import { unlimited } from "../../../src/domain/budget.ts";
import type { Maintenance } from "../../../src/domain/maintenance.ts";
import { decide, type PlanFacts } from "../../../src/renewal/rules/decide.ts";
import {
  certificate,
  DAY_MS,
  deployment,
  endpointStatus,
  ISSUED_AT,
  record,
  renewalInfo,
  version,
} from "../../support/model/facts.ts";

const HOUR_MS = 3_600_000;
const SUNDAYS: Maintenance = {
  windows: [{ cron: "0 2 * * sun", durationMs: 3 * HOUR_MS, timeZone: "Europe/Berlin" }],
  freezes: [],
};
/** A routine renewal is due: day 61 of 90 (Tuesday 2026-03-03); the emergency is on day 85.5. */
const DUE = ISSUED_AT + 61 * DAY_MS;
const freeze = (from: number, until: number): Maintenance => ({
  windows: [],
  freezes: [{ from, until, reason: "Christmas" }],
});

function facts(maintenance: Maintenance, patch: Partial<PlanFacts> = {}): PlanFacts {
  return {
    ...{
      certificate: certificate({ maintenance }),
      record: record(),
      version: version(),
      active: null,
      renewalInfo: null,
    },
    ...{ deployments: [deployment({ deployedGeneration: 1 })], endpoints: [endpointStatus()] },
    ...{ replacement: null, budget: { ca: unlimited("ca"), buckets: new Map() } },
    ...patch,
  };
}

describe("a maintenance window", () => {
  it.each([
    ["before it opens", "2026-03-03T00:00:00Z", "2026-03-08T01:00:00.000Z"],
    ["just before it opens", "2026-03-08T00:59:59Z", "2026-03-08T01:00:00.000Z"],
    ["as it opens", "2026-03-08T01:00:00Z", null],
    ["just before it closes", "2026-03-08T03:59:59Z", null],
    ["as it closes", "2026-03-08T04:00:00Z", "2026-03-15T01:00:00.000Z"],
  ])("%s lets a renewal begin, or says when", (_name, now, opensAt) => {
    const decision = decide(facts(SUNDAYS), Date.parse(now));
    if (opensAt === null) expect(decision).toMatchObject({ due: true, reason: "renewalWindow" });
    else
      expect(decision).toMatchObject({
        due: false,
        blockedBy: "outsideWindow",
        reason: "renewalWindow",
        until: Date.parse(opensAt),
      });
  });

  it.each([
    ["winter", "2026-02-24T00:00:00Z", "2026-03-01T01:00:00Z"],
    ["the day clocks go forward at its very beginning", "2026-03-24T00:00:00Z", "2026-03-29T01:00:00Z"],
    ["summer", "2026-07-21T00:00:00Z", "2026-07-26T00:00:00Z"],
    ["the day clocks go back", "2026-10-20T00:00:00Z", "2026-10-25T00:00:00Z"],
  ])("opens by the clock of its time zone in %s", (_name, now, opensAt) => {
    const late = version({ leaf: { ...version().leaf, notAfter: ISSUED_AT + 380 * DAY_MS } });
    const early = certificate({ maintenance: SUNDAYS, policy: { renewAtFractionLeft: 0.99, jitterFraction: 0 } });
    expect(decide(facts(SUNDAYS, { version: late, certificate: early }), Date.parse(now))).toMatchObject({
      until: Date.parse(opensAt),
    });
  });

  it.each([
    ["one-hour", HOUR_MS, true],
    ["6-day", 6 * DAY_MS, true],
    ["45-day", 45 * DAY_MS, false],
    ["90-day", 90 * DAY_MS, false],
    ["398-day", 398 * DAY_MS, false],
  ])("holds a %s certificate only where it opens in time", (_name, lifetimeMs, renewsAtOnce) => {
    const leaf = { ...version().leaf, notBefore: ISSUED_AT, notAfter: ISSUED_AT + lifetimeMs };
    const due = ISSUED_AT + lifetimeMs * (lifetimeMs < 10 * DAY_MS ? 1 / 2 : 2 / 3) + 1;
    const monthly = { windows: [{ cron: "0 2 1,8,15,22 * *", durationMs: HOUR_MS, timeZone: "UTC" }], freezes: [] };
    const decision = decide(facts(monthly, { version: version({ leaf }) }), due);
    expect(decision.due).toBe(renewsAtOnce);
    if (!decision.due) expect(decision.until).toBeLessThan(ISSUED_AT + lifetimeMs * 0.95);
  });
});

describe("a freeze", () => {
  it("holds routine renewals until it ends, and says why", () => {
    expect(decide(facts(freeze(DUE - DAY_MS, DUE + 10 * DAY_MS)), DUE)).toEqual({
      ...{ due: false, blockedBy: "frozen", reason: "renewalWindow", until: DUE + 10 * DAY_MS },
      detail: expect.stringMatching(/^frozen until 2026-03-13 .* \(Christmas\)$/),
    });
  });

  it("that ends outside a window holds until the window opens", () => {
    const until = Date.parse("2026-03-10T00:00:00Z");
    const both = { ...SUNDAYS, freezes: freeze(DUE - DAY_MS, until).freezes };
    expect(decide(facts(both), DUE)).toMatchObject({ blockedBy: "frozen", until: Date.parse("2026-03-15T01:00:00Z") });
  });

  it("that would last into the emergency does not hold at all: early there is still time to try again", () => {
    expect(decide(facts(freeze(DUE - DAY_MS, DUE + 60 * DAY_MS)), DUE)).toMatchObject({
      due: true,
      reason: "renewalWindow",
    });
  });

  it.each<[string, Partial<PlanFacts>, number, string]>([
    ["missing", { version: null, deployments: [], endpoints: [] }, DUE, "missing"],
    ["about to expire", {}, ISSUED_AT + 86 * DAY_MS, "emergency"],
    ["not deployed where it should be", { deployments: [] }, ISSUED_AT + DAY_MS, "drift"],
    [
      "past the end of the CA's window",
      { renewalInfo: renewalInfo({ windowStart: 1, windowEnd: 2, renewAt: 1 }) },
      DUE,
      "renewalInfo",
    ],
  ])("never holds what is %s", (_name, patch, now, reason) => {
    expect(decide(facts(freeze(0, Number.MAX_SAFE_INTEGER / 1e4), patch), now)).toMatchObject({ due: true, reason });
    expect(decide(facts(freeze(now - 1, now + 1_000), patch), now)).toMatchObject({ due: true, reason });
  });

  it("holds what the CA suggests while its window is still open", () => {
    const info = renewalInfo({ windowStart: DUE - 1, windowEnd: DUE + 5 * DAY_MS, renewAt: DUE - 1, polledAt: DUE });
    expect(decide(facts(freeze(DUE - 1, DUE + DAY_MS), { renewalInfo: info }), DUE)).toMatchObject({
      blockedBy: "frozen",
      reason: "renewalInfo",
    });
    expect(decide(facts(freeze(DUE - 1, DUE + 6 * DAY_MS), { renewalInfo: info }), DUE)).toMatchObject({
      due: true,
      reason: "renewalInfo",
    });
  });
});
