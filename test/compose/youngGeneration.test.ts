import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const MODULE = new URL("../../src/compose/youngGeneration.ts", import.meta.url).href;

/** Bytes of the space for new objects, after work that keeps a good deal of what it makes for a while. */
async function newSpaceAfterWork(first: string): Promise<number> {
  const script = `${first}
    const kept = [];
    for (let made = 0; made < 2_000_000; made++) kept[made % 100_000] = { made };
    const { getHeapSpaceStatistics } = await import("node:v8");
    console.log(getHeapSpaceStatistics().find((space) => space.space_name === "new_space").space_size);`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
  return Number(stdout);
}

test("the space for new objects does not grow with the work", async () => {
  const small = `(await import(${JSON.stringify(MODULE)})).keepYoungGenerationSmall();`;
  expect(await newSpaceAfterWork(small)).toBeLessThanOrEqual(4_000_000);
  // By itself it does.
  expect(await newSpaceAfterWork("")).toBeGreaterThan(8_000_000);
});
