import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const run = (...options: string[]) =>
  promisify(execFile)(process.execPath, ["test/drills/main.ts", ...options], {
    // None of the servers is found there.
    env: { PATH: tmpdir(), TMPDIR: tmpdir() },
  });

it("tells how it is used only where it was used wrongly", { timeout: 300_000 }, async () => {
  await expect(run("--only", "nothing")).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^there is no drill nothing; .*\nusage: /),
  });
  await expect(run("--fast")).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/--fast.*\n[\s\S]*usage: /),
  });
});

it("shows what kept a drill from being done, and where", { timeout: 300_000 }, async () => {
  const failed = run("--quick", "--only", "kills", "--seed", "1");
  await expect(failed).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/not installed[\s\S]*at .*\.ts:/),
  });
  await expect(failed).rejects.not.toMatchObject({ stderr: expect.stringContaining("usage:") });
});
