import { execFile } from "node:child_process";
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const made: string[] = [];
afterEach(async () => {
  for (const directory of made.splice(0)) await rm(directory, { recursive: true });
});

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function bootstrap(task: string, env: Readonly<Record<string, string>>, checkout = root): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      "/bin/bash",
      [join(checkout, "scripts/bootstrap.sh"), task],
      { env, timeout: 30_000 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
        resolve({ code, stdout, stderr });
      },
    );
  });
}

/** A PATH on which only the named programs are, and whatever stands in for the others. */
async function pathWith(programs: readonly string[], standIns: Readonly<Record<string, string>>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "renewd-bootstrap-"));
  made.push(directory);
  await mkdir(join(directory, "bin"));
  for (const program of programs) await symlink(`/usr/bin/${program}`, join(directory, "bin", program));
  for (const [program, script] of Object.entries(standIns)) {
    await writeFile(join(directory, "bin", program), `#!/bin/sh\n${script}\n`);
    await chmod(join(directory, "bin", program), 0o755);
  }
  return join(directory, "bin");
}

const TOOLS = ["dirname", "uname", "cat", "sha256sum", "cut", "mktemp", "tail", "rm"];

test("a machine that has everything is left alone, without a word", async () => {
  // What `npm test` itself installed, and nothing more: on a new machine the packages of `test` are not there yet.
  expect(await bootstrap("demo", { PATH: process.env.PATH ?? "" })).toEqual({ code: 0, stdout: "", stderr: "" });
});

test("an ordinary user is told the one line that installs what is missing", async () => {
  const path = await pathWith(TOOLS, { id: "echo 1000", "apt-get": "echo apt-get was called; exit 1" });
  const ended = await bootstrap("demo", { PATH: path });
  expect(ended.code).toBe(1);
  expect(ended.stdout).toBe("");
  expect(ended.stderr).toMatch(
    /^bootstrap: missing redis-server pebble .*; run: sudo apt-get update && sudo apt-get install -y --no-install-recommends redis-server pebble .*\n$/,
  );
});

test("packages that another checkout uses as well are not touched from here", async () => {
  const directory = await mkdtemp(join(tmpdir(), "renewd-bootstrap-"));
  made.push(directory);
  for (const path of ["checkout/scripts", "other/node_modules"])
    await mkdir(join(directory, path), { recursive: true });
  const checkout = join(directory, "checkout");
  await copyFile(join(root, "scripts/bootstrap.sh"), join(checkout, "scripts/bootstrap.sh"));
  await writeFile(join(checkout, "package-lock.json"), "{}");
  await symlink("../other/node_modules", join(checkout, "node_modules"));
  const path = await pathWith([...TOOLS, "flock", "readlink"], { npm: "echo npm was called >&2" });
  const { code, stderr } = await bootstrap("modules", { PATH: path }, checkout);
  expect(code).toBe(1);
  expect(stderr).toBe(
    "bootstrap: node_modules is a link to ../other/node_modules, which is not up to date: run scripts/bootstrap.sh there\n",
  );
});

test("an unknown task is refused with the tasks there are", async () => {
  const ended = await bootstrap("everything", { PATH: process.env.PATH ?? "" });
  expect(ended.code).toBe(2);
  expect(ended.stderr).toBe("bootstrap: unknown task 'everything'; use modules, demo, bench, test or ci\n");
});
