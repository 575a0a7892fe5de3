import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { digestOf, shared } from "../../src/config/read/digest.ts";

/** As releases before 1.0 made it: a digest that changes has every certificate decided again. */
function before(value: unknown): string {
  const sorted = (_key: string, held: unknown): unknown =>
    typeof held !== "object" || held === null || Array.isArray(held)
      ? held
      : Object.fromEntries(Object.entries(held).sort(([a], [b]) => (a < b ? -1 : 1)));
  return createHash("sha256").update(JSON.stringify(value, sorted)).digest("hex");
}

test.each([
  [null],
  ["a\u2028\ud800"],
  [[1, undefined, null, [true]]],
  [{ b: 1, a: { d: undefined, c: [{ z: 1, y: 2 }] } }],
  [{ b: 1, "10": 2, "9": 3, a: 4, "01": 5, "-1": 6, "4294967296": 7 }],
  [{ ä: 1, z: 2, "": 3, '"': 4 }],
])("the digest of %j is that of earlier releases", (value) => {
  expect(digestOf(value)).toBe(before(value));
  expect(digestOf({ of: value, shared: shared({ value }) })).toBe(before({ of: value, shared: { value } }));
});
