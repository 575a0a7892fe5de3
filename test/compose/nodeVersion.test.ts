import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { nodeFault } from "../../src/compose/nodeVersion.ts";

test("an older Node is refused in one line that names both versions, by the limit of package.json", async () => {
  const { engines } = JSON.parse(await readFile("package.json", "utf8"));
  const oldest = engines.node.replace(">=", "");
  expect(nodeFault("20.19.2")).toMatch(new RegExp(`^renewd: this is Node.js 20.19.2, and renewd needs ${oldest} .*$`));
  expect(nodeFault("26.8.2")).not.toBeNull();
  expect([`${oldest}.0`, "26.10.0", "27.0.0", process.versions.node].map(nodeFault)).toEqual([null, null, null, null]);
});
