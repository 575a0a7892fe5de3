import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, it } from "vitest";
import { createTurns } from "../../src/tls/turns.ts";

it("begins so many in each turn of the event loop, in order, and the next ones at once when all is quiet", async () => {
  const turn = createTurns(3);
  const begun: number[] = [];
  const begin = async (one: number) => {
    await turn();
    begun.push(one);
  };
  const all = Array.from({ length: 8 }, (_, one) => begin(one));
  await Promise.resolve();
  const counts: number[] = [];
  for (let turns = 0; turns < 4; turns++) {
    await nextTurn();
    counts.push(begun.length);
  }
  await Promise.all(all);
  expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(counts.every((count, index) => count <= 3 * (index + 2))).toBe(true);
  expect(counts[0]).toBeLessThan(8);
  const ready: number[] = [];
  for (let one = 0; one < 3; one++) void turn().then(() => ready.push(one));
  await Promise.resolve();
  expect(ready, "nobody waits for a turn that is free").toEqual([0, 1, 2]);
});
