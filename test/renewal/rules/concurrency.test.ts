import { expect, it } from "vitest";
import { firstConcurrency, isRecovered, nextConcurrency } from "../../../src/renewal/rules/concurrency.ts";

const LEASE = 10_000;

it.each([
  ["nothing measured but an idle loop", 16, 16, 0, null, 18],
  ["a healthy worker", 16, 16, 20, 6_600, 18],
  ["all that is configured", 60, 60, 20, 6_600, 64],
  ["a loop that is late by a tenth of the lease", 16, 16, 1_100, 6_600, 8],
  ["leases renewed late", 16, 16, 20, 3_000, 8],
  ["a lease that ran out", 64, 64, 20, 0, 32],
  ["a lease that ran out of the few that were held", 64, 10, 20, 0, 5],
  ["a late loop without any job", 64, 0, 1_100, null, 4],
  ["nearly good", 16, 16, 300, 6_600, 16],
  ["a margin below a half", 16, 16, 20, 4_000, 16],
  ["one job, and still too busy", 1, 1, 5_000, 0, 1],
  ["one job, and well again", 1, 1, 0, 6_600, 2],
  ["few jobs, and well again", 4, 0, 0, null, 5],
  ["fewer jobs than it may take", 16, 12, 20, 6_600, 16],
  ["an idle worker that may take many", 64, 0, 20, null, 8],
  ["an idle worker", 8, 0, 20, null, 8],
])(
  "%s: of %i jobs (%i there, loop %i ms late, %s ms of a lease left) it takes %i next",
  (_, current, wanted, loopDelayMs, left, jobs) => {
    const load = { leaseMs: LEASE, loopDelayMs, leaseMarginMs: left };
    expect(nextConcurrency({ current, max: 64, wanted }, load)).toBe(jobs);
  },
);

it.each([
  ["all that is configured", 64, 64, 20, true],
  ["more than there is", 8, 7, 20, true],
  ["less than there is", 8, 8, 20, false],
  ["less than at first", 4, 0, 20, false],
  ["all, too busy", 64, 64, 1_100, false],
])(
  "a worker that may take %s has recovered or not (%i, %i there, loop %i ms late): %s",
  (_, current, wanted, late, is) => {
    expect(isRecovered({ current, max: 64, wanted }, { leaseMs: LEASE, loopDelayMs: late, leaseMarginMs: null })).toBe(
      is,
    );
  },
);

it("starts with 8 jobs at most, also where more are configured", () => {
  expect([1, 8, 64].map(firstConcurrency)).toEqual([1, 8, 8]);
});
