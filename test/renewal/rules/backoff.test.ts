import { describe, expect, it } from "vitest";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { ErrorCode } from "../../../src/domain/errorTable.ts";
import { backoffMs, maxBackoffMs, retryAt } from "../../../src/renewal/rules/backoff.ts";
import { DEFAULT_SETTINGS } from "../../../src/renewal/rules/settings.ts";
import { expiryWarningAt } from "../../../src/renewal/rules/window.ts";
import { DAY_MS, ISSUED_AT, NOW, version } from "../../support/model/facts.ts";

const HOUR_MS = 3_600_000;
const ATTEMPT = { attemptsMax: 4, previousCode: null, waitMaxMs: 100 * DAY_MS };
const living = (lifetimeMs: number) => version({ leaf: { ...version().leaf, notAfter: ISSUED_AT + lifetimeMs } });

describe("how long an attempt may wait", () => {
  it.each<[string, number, number, number]>([
    ["90 days, a third of them left", 90 * DAY_MS, 60 * DAY_MS, 3.75 * DAY_MS],
    ["90 days, a day left", 90 * DAY_MS, 89 * DAY_MS, 3 * HOUR_MS],
    ["6 days, 8 hours left", 6 * DAY_MS, 6 * DAY_MS - 8 * HOUR_MS, HOUR_MS],
    ["one hour, a minute left: no less than a minute", HOUR_MS, HOUR_MS - 60_000, 60_000],
    ["expired: a quarter of an hour", 90 * DAY_MS, 91 * DAY_MS, 900_000],
  ])("%s", (_name, lifetimeMs, ageMs, atMost) => {
    expect(maxBackoffMs(living(lifetimeMs), ISSUED_AT + ageMs)).toBeCloseTo(atMost, -1);
  });

  it("is a day without a certificate", () => {
    expect(maxBackoffMs(null, ISSUED_AT)).toBe(DAY_MS);
  });

  it.each([HOUR_MS, 6 * DAY_MS, 90 * DAY_MS])(
    "leaves at least eight attempts to a certificate of %i ms at a CA that always asks for a century",
    (lifetimeMs) => {
      const latest = living(lifetimeMs);
      let at = ISSUED_AT + (2 / 3) * lifetimeMs;
      let attempts = 0;
      for (; at < latest.leaf.notAfter; attempts += 1) {
        const error = new RenewalError("acme.rateLimited", "later", { retryAt: at + 36_500 * DAY_MS });
        const waitMaxMs = maxBackoffMs(latest, at);
        const next = retryAt({ ...ATTEMPT, error, failures: 0, waitMaxMs }, DEFAULT_SETTINGS, at);
        at = next ?? expect.unreachable("it gives up");
      }
      expect(attempts).toBeGreaterThanOrEqual(8);
    },
  );
});

describe("when a step is tried again", () => {
  const at = (code: ErrorCode, failures: number, asked?: number, change: Partial<typeof ATTEMPT> = {}) => {
    const error = new RenewalError(code, "later", asked === undefined ? {} : { retryAt: asked });
    return retryAt({ ...ATTEMPT, error, failures, ...change }, DEFAULT_SETTINGS, NOW);
  };

  it("a target that is busy is tried as often as it takes, one that fails is not", () => {
    expect(at("deploy.rateLimited", 99)).toBe(NOW + backoffMs(99, DEFAULT_SETTINGS));
    expect(at("deploy.unreachable", 4)).toBeNull();
  });

  it("a target is given a day at the most, however long it asks for; a CA what the runway allows", () => {
    const inSeventyYears = NOW + 70 * 365 * DAY_MS;
    expect(at("deploy.rateLimited", 1, inSeventyYears)).toBe(NOW + DAY_MS);
    expect(at("deploy.unreachable", 1, inSeventyYears)).toBe(NOW + DAY_MS);
    expect(at("deploy.rateLimited", 1, NOW + 2 * HOUR_MS)).toBe(NOW + 2 * HOUR_MS);
    expect(at("acme.rateLimited", 1, NOW + 3 * DAY_MS)).toBe(NOW + 3 * DAY_MS);
    for (const code of ["acme.rateLimited", "acme.server", "acme.timeout", "deploy.rateLimited"] as const)
      expect(at(code, 1, inSeventyYears, { waitMaxMs: HOUR_MS })).toBe(NOW + HOUR_MS);
  });

  it("the ladder itself ends where the runway does", () => {
    expect(at("acme.connection", 3, undefined, { waitMaxMs: 120_000 })).toBe(NOW + 120_000);
  });

  it.each<[ErrorCode, string | null, boolean]>([
    ["acme.refused", null, true],
    ["acme.account", "acme.connection", true],
    ["acme.rejectedIdentifier", "acme.refused", true],
    ["acme.caa", null, true],
    ["acme.refused", "acme.refused", false],
    ["acme.rejectedIdentifier", "acme.rejectedIdentifier", false],
    // Not the CA's word.
    ["acme.ownCsr", null, false],
    ["deploy.refused", null, false],
  ])("%s after %s is tried again soon: %s", (code, previousCode, again) => {
    const next = retryAt(
      { ...ATTEMPT, error: new RenewalError(code, ""), failures: 1, previousCode },
      DEFAULT_SETTINGS,
      NOW,
    );
    expect(next).toBe(again ? NOW + 60_000 : null);
  });

  it("a CA that gives another reason each time is not asked without end", () => {
    const error = new RenewalError("acme.account", "");
    const attempt = { ...ATTEMPT, error, previousCode: "acme.refused" };
    expect(retryAt({ ...attempt, failures: 3 }, DEFAULT_SETTINGS, NOW)).toBe(NOW + 60_000);
    expect(retryAt({ ...attempt, failures: 4 }, DEFAULT_SETTINGS, NOW)).toBeNull();
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
