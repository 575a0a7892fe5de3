import { glob, readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { ERRORS } from "../../src/domain/errorTable.ts";

const ROOT = new URL("../../", import.meta.url);

it("every code of the table is used by some file of src, and documented", async () => {
  const sources: string[] = [];
  for await (const file of glob("src/**/*.ts", { cwd: ROOT })) {
    if (!file.endsWith("errorTable.ts")) sources.push(await readFile(new URL(file, ROOT), "utf8"));
  }
  const documented = await readFile(new URL("docs/errors.md", ROOT), "utf8");
  const codes = Object.keys(ERRORS);
  expect(codes.filter((code) => !sources.some((text) => text.includes(`"${code}"`)))).toEqual([]);
  expect(codes.filter((code) => !documented.includes(`| \`${code}\` |`))).toEqual([]);
});
