import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { inspectFiles } from "../../../src/deployers/local/inspectFiles.ts";
import { isFilesFault, readIfThere } from "../../../src/deployers/local/readRegular.ts";

it("a named pipe or a directory in a file's place is found, and keeps no thread of the process waiting", async () => {
  const directory = await mkdtemp(join(tmpdir(), "renewd-pipe-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const pipe = join(directory, "pipe.pem");
  await promisify(execFile)("mkfifo", [pipe]);
  for (const path of [pipe, directory]) {
    const thrown: unknown = await readIfThere(path).catch((error: unknown) => error);
    expect(thrown).toMatchObject({ code: "deploy.io", message: `${path} is not a regular file` });
    expect(isFilesFault(thrown)).toBe(true);
    const request = { certificate: "www", previous: null };
    const rules = { first: path, reader: null };
    expect(await inspectFiles([{ certificate: path, key: path }], request, rules)).toMatchObject({
      fingerprint: null,
      problems: expect.arrayContaining([`${path} is not a regular file`]),
    });
  }
  expect(await readIfThere(join(directory, "none"))).toBeNull();
  await writeFile(join(directory, "a.pem"), "text");
  expect(await readIfThere(join(directory, "a.pem"))).toBe("text");
});
