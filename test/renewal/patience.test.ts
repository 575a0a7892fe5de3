import { describe, expect, it } from "vitest";
import { patienceMs } from "../../src/renewal/patience.ts";
import { expiryWarningAt } from "../../src/renewal/window.ts";
import { DAY_MS, ISSUED_AT, version } from "../support/facts.ts";

const HOUR_MS = 3_600_000;
const living = (lifetimeMs: number) => version({ leaf: { ...version().leaf, notAfter: ISSUED_AT + lifetimeMs } });

describe("how long a failed renewal may wait", () => {
  it.each<[string, number, number, number]>([
    ["90 days, in the middle: until the emergency", 90 * DAY_MS, 45 * DAY_MS, 40.5 * DAY_MS],
    ["90 days, a day before the emergency", 90 * DAY_MS, 84.5 * DAY_MS, DAY_MS],
    ["90 days, a day before the end: a quarter of it", 90 * DAY_MS, 89 * DAY_MS, 6 * HOUR_MS],
    ["6 days, in the emergency of 7.2 hours", 6 * DAY_MS, 6 * DAY_MS - 6 * HOUR_MS, 1.5 * HOUR_MS],
    ["one hour, in its emergency: no less than a minute", HOUR_MS, HOUR_MS - 60_000, 60_000],
    ["expired: a quarter of an hour", 90 * DAY_MS, 91 * DAY_MS, 900_000],
  ])("%s", (_name, lifetimeMs, ageMs, atMost) => {
    expect(patienceMs(living(lifetimeMs), ISSUED_AT + ageMs)).toBeCloseTo(atMost, -1);
  });

  it("is no matter without a certificate", () => {
    expect(patienceMs(null, ISSUED_AT)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("when people are told that nothing has taken its place", () => {
  it.each([HOUR_MS, 6 * DAY_MS, 90 * DAY_MS, 398 * DAY_MS])("in the emergency of a certificate of %i ms, with nine tenths of it left", (lifetimeMs) => {
    const at = expiryWarningAt(living(lifetimeMs).leaf);
    expect((ISSUED_AT + lifetimeMs - at) / lifetimeMs).toBeCloseTo(0.045, 6);
  });
});
