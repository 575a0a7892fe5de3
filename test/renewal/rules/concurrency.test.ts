import { expect, it } from "vitest";
import { firstConcurrency, nextConcurrency } from "../../../src/renewal/rules/concurrency.ts";

const LEASE = 10_000;

it.each([
  ["nothing measured but an idle loop", 16, 0, null, 20],
  ["a healthy worker", 16, 20, 6_600, 20],
  ["all that is configured", 60, 20, 6_600, 64],
  ["a loop that is late by a tenth of the lease", 16, 1_100, 6_600, 8],
  ["leases renewed late", 16, 20, 3_000, 8],
  ["a lease that ran out", 64, 20, 0, 32],
  ["nearly good", 16, 300, 6_600, 16],
  ["a margin below a half", 16, 20, 4_000, 16],
  ["one job, and still too busy", 1, 5_000, 0, 1],
  ["one job, and well again", 1, 0, 6_600, 2],
])(
  "%s: of %i jobs (loop %i ms late, %s ms of a lease left) it takes %i next",
  (_, current, loopDelayMs, left, jobs) => {
    expect(nextConcurrency({ current, max: 64 }, { leaseMs: LEASE, loopDelayMs, leaseMarginMs: left })).toBe(jobs);
  },
);

it("starts with 8 jobs at most, whatever is configured", () => {
  expect([1, 8, 64].map(firstConcurrency)).toEqual([1, 8, 8]);
});
