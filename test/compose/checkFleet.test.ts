import { expect, test } from "vitest";
import { nextToCheck } from "../../src/compose/checkFleet.ts";
import { STEADY_MS } from "../../src/domain/steady.ts";

const NOW = Date.UTC(2026, 0, 1);
const HALF = STEADY_MS / 2;
const part = (after: string, last: string | null, checkedAt = NOW) => ({ after, last, checkedAt });

test.each([
  ["the first, where there is none", [], { after: "", isBelieved: false }],
  ["none where all are new", [part("", "f"), part("f", null)], null],
  ["the one that is missing at the end", [part("", "f")], { after: "f", isBelieved: false }],
  ["the one that is missing between", [part("", "f"), part("m", null)], { after: "f", isBelieved: false }],
  ["an old one", [part("", "f"), part("f", null, NOW - HALF)], { after: "f", isBelieved: true }],
  ["a missing one before an old one", [part("", "f", NOW - HALF)], { after: "f", isBelieved: false }],
  [
    "one that is no longer believed",
    [part("", "f", NOW - HALF), part("f", null, NOW - STEADY_MS)],
    { after: "f", isBelieved: false },
  ],
  ["one from the future", [part("", "f", NOW + 1), part("f", null)], { after: "", isBelieved: false }],
])("a planner reads next %s", (_, known, next) => {
  expect(nextToCheck(known, NOW)).toEqual(next);
});
