import { describe, expect, it } from "vitest";
import { RenewalError } from "../../../src/domain/errors.ts";
import { backoffMs, maxBackoffMs, retryAt } from "../../../src/renewal/rules/backoff.ts";
import { DEFAULT_SETTINGS } from "../../../src/renewal/rules/settings.ts";
import { expiryWarningAt } from "../../../src/renewal/rules/window.ts";
import { DAY_MS, ISSUED_AT, NOW, version } from "../../support/model/facts.ts";

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
    expect(maxBackoffMs(living(lifetimeMs), ISSUED_AT + ageMs)).toBeCloseTo(atMost, -1);
  });

  it("is no matter without a certificate", () => {
    expect(maxBackoffMs(null, ISSUED_AT)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("when a step is tried again", () => {
  const at = (
    code: "deploy.rateLimited" | "deploy.unreachable" | "acme.rateLimited",
    failures: number,
    told?: number,
  ) =>
    retryAt(
      new RenewalError(code, "later", told === undefined ? {} : { retryAt: told }),
      failures,
      4,
      DEFAULT_SETTINGS,
      NOW,
    );

  it("a target that is busy is tried as often as it takes, one that fails is not", () => {
    expect(at("deploy.rateLimited", 99)).toBe(NOW + backoffMs(99, DEFAULT_SETTINGS));
    expect(at("deploy.unreachable", 4)).toBeNull();
  });

  it("a target is given a day at the most, however long it asks for; a CA says for itself", () => {
    const inSeventyYears = NOW + 70 * 365 * DAY_MS;
    expect(at("deploy.rateLimited", 1, inSeventyYears)).toBe(NOW + DAY_MS);
    expect(at("deploy.unreachable", 1, inSeventyYears)).toBe(NOW + DAY_MS);
    expect(at("deploy.rateLimited", 1, NOW + 2 * HOUR_MS)).toBe(NOW + 2 * HOUR_MS);
    expect(at("acme.rateLimited", 1, NOW + 3 * DAY_MS)).toBe(NOW + 3 * DAY_MS);
  });
});

describe("when people are told that nothing has taken its place", () => {
  it.each([HOUR_MS, 6 * DAY_MS, 90 * DAY_MS, 398 * DAY_MS])(
    "in the emergency of a certificate of %i ms, with nine tenths of it left",
    (lifetimeMs) => {
      const at = expiryWarningAt(living(lifetimeMs).leaf);
      expect((ISSUED_AT + lifetimeMs - at) / lifetimeMs).toBeCloseTo(0.045, 6);
    },
  );
});
