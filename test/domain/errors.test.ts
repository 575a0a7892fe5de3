import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";

const ERRORS = new URL("../../src/domain/errors.ts", import.meta.url).href;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-replaced-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** In a process of its own: only Node's own loader throws what users meet. */
async function codeOf(statement: string): Promise<string> {
  const program = `import { toRenewalError } from "${ERRORS}";
    try { ${statement} } catch (thrown) { console.log(toRenewalError(thrown).code); }`;
  const args = ["--input-type=module", "--eval", program];
  return (await promisify(execFile)(process.execPath, args)).stdout.trim();
}

it("a late part of renewd that an upgrade took away or changed is no bug: a restart cures it", async () => {
  const file = join(directory, "part.mjs");
  const url = pathToFileURL(file).href;
  expect(await codeOf(`await import("${url}")`)).toBe("process.replaced");
  await writeFile(file, "export const newName = 1;");
  await writeFile(join(directory, "user.mjs"), `import { oldName } from "./part.mjs"; oldName();`);
  expect(await codeOf(`await import("${pathToFileURL(join(directory, "user.mjs")).href}")`)).toBe("process.replaced");
  expect(await codeOf(`await import("@absent/sdk")`)).toBe("internal.bug");
  expect(await codeOf(`null.x`)).toBe("internal.bug");
});
