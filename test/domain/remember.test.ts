import { expect, it } from "vitest";
import { remembered } from "../../src/domain/remember.ts";

it("loads once, also for those who ask at the same moment, but does not keep a failure", async () => {
  let loads = 0;
  const load = remembered(async () => {
    loads += 1;
    if (loads === 1) throw new Error("not installed");
    return { loads };
  });
  await expect(Promise.all([load(), load()])).rejects.toThrowError("not installed");
  expect(loads).toBe(1);
  expect(await Promise.all([load(), load()])).toEqual([{ loads: 2 }, { loads: 2 }]);
});
