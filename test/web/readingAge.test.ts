import { expect, test } from "vitest";
import { HOUR_MS, MINUTE_MS } from "../../src/domain/time.ts";
import { ageOf } from "../../src/web/pages/layout.ts";

test.each([
  ["is of this minute", MINUTE_MS, false, ""],
  ["is of last night, while the next one is made", 15 * HOUR_MS, false, ", 15 h ago"],
  ["could not be made again", 15 * HOUR_MS, true, ' – <b class="bad-text">15 h ago: the database may be away</b>'],
])("a page says how old its reading is that %s", async (_, ageMs, isOutdated, said) => {
  const at = Date.UTC(2026, 0, 1);
  expect(String(await ageOf({ at, isOutdated }, at + ageMs))).toBe(said);
});
