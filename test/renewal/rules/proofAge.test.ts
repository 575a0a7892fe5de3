import { expect, test } from "vitest";
import { CLOCK_SKEW_MAX_MS } from "../../../src/domain/lease.ts";
import { judgedEvery, observedFrom, proofAgeMaxMs } from "../../../src/renewal/rules/proofAge.ts";
import { DAY_MS, NOW } from "../../support/model/facts.ts";

const [LONG, SHORT] = [DAY_MS, 300_000];
const before = { observeMs: LONG, observedBefore: null };

test("a shorter interval judges once every endpoint can have been looked at by it", () => {
  const observed = observedFrom(before, SHORT, NOW);
  const until = NOW + proofAgeMaxMs(SHORT);
  const behind = NOW - CLOCK_SKEW_MAX_MS;
  expect([behind, until - 1, until].map((now) => judgedEvery(observed, now))).toEqual([LONG, LONG, SHORT]);
  expect(observedFrom(observed, SHORT, NOW + 1), "the same once more").toEqual(observed);
});

test("a longer one judges at once", () => {
  expect(judgedEvery(observedFrom(before, 2 * LONG, NOW), NOW)).toBe(2 * LONG);
});

test("one that was made shorter while the clock was 40 days ahead judges as soon as the clock is right", () => {
  expect(judgedEvery(observedFrom(before, SHORT, NOW + 40 * DAY_MS), NOW)).toBe(SHORT);
});
