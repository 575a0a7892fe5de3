import { describe, expect, it } from "vitest";
import { renewalWindow } from "../../../src/renewal/rules/window.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const POLICY = { renewAtFractionLeft: null, jitterFraction: 0 };

function leaf(lifetimeMs: number, fingerprint = "ab"): { notBefore: number; notAfter: number; fingerprint: string } {
  return { notBefore: 0, notAfter: lifetimeMs, fingerprint };
}

describe("the renewal window", () => {
  it.each([
    ["one-hour", HOUR, HOUR / 2],
    ["6-day", 6 * DAY, 3 * DAY],
    ["45-day", 45 * DAY, 30 * DAY],
    ["90-day", 90 * DAY, 60 * DAY],
    ["398-day", 396 * DAY, 264 * DAY],
  ])("opens by fraction of the lifetime for a %s certificate", (_name, lifetimeMs, opensAt) => {
    expect(renewalWindow(leaf(lifetimeMs), POLICY).opensAt).toBeCloseTo(opensAt, 3);
  });

  it("follows the configured fraction", () => {
    expect(renewalWindow(leaf(100 * DAY), { renewAtFractionLeft: 0.25, jitterFraction: 0 }).opensAt).toBe(75 * DAY);
  });

  it("becomes an emergency at a twentieth of the lifetime", () => {
    expect(renewalWindow(leaf(100 * DAY), POLICY).emergencyAt).toBe(95 * DAY);
  });

  it("spreads a fleet issued together over the window, each certificate always at the same instant", () => {
    const policy = { renewAtFractionLeft: 0.5, jitterFraction: 0.5 };
    const dueAts = Array.from(
      { length: 200 },
      (_, index) => renewalWindow(leaf(100 * DAY, `fingerprint-${index}`), policy).dueAt,
    );
    expect(renewalWindow(leaf(100 * DAY, "fingerprint-7"), policy).dueAt).toBe(dueAts[7]);
    expect(new Set(dueAts).size).toBe(200);
    const [first, last] = [Math.min(...dueAts), Math.max(...dueAts)];
    expect(first).toBeGreaterThanOrEqual(50 * DAY);
    expect(last).toBeLessThanOrEqual(50 * DAY + 0.5 * 45 * DAY);
    // Half of the spread at least is used by 200 certificates.
    expect(last - first).toBeGreaterThan(0.8 * 0.5 * 45 * DAY);
  });

  it("never delays a certificate past its emergency by jitter", () => {
    const policy = { renewAtFractionLeft: 0.01, jitterFraction: 1 };
    const window = renewalWindow(leaf(100 * DAY), policy);
    expect(window.dueAt).toBeLessThanOrEqual(window.emergencyAt);
  });
});
