// Runs around the whole suite: gives it a HOME and a temporary directory of its own, and checks afterwards that the
// machine is as it was. Fails the run otherwise.
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

/** Places that tests could change by mistake, and how deep they are compared in CI, where nobody else is at work. */
const WATCHED = [
  { path: homedir(), depth: 2 },
  { path: "/etc", depth: 2 },
] as const;
/** Written by the package manager and by other programs of the user. */
const IGNORED = /\/(\.npm|\.cache|\.config|\.local|\.bash_history|mtab)(\/|$)/;
const RUN = "RENEWD_TEST_RUN";
const MARKER = "bashrc-was-read";

export default async function leavesNothing(): Promise<() => Promise<void>> {
  const before = await snapshot();
  // Short, as sockets below it may have 107 bytes; servers that run as users of their own must get through it.
  const directory = await mkdtemp("/tmp/rt-");
  await chmod(directory, 0o755);
  const home = join(directory, "home");
  await mkdir(home);
  // Bash reads it when its stdin is a socket, which Node's pipes are (as if it was started by rshd).
  await writeFile(join(home, ".bashrc"), `touch ${join(home, MARKER)}\n`);
  Object.assign(process.env, { HOME: home, TMPDIR: directory, [RUN]: directory });
  return async () => {
    const problems = [...(await left(directory)), ...differences(before, await snapshot())];
    if ((await readdir(home)).includes(MARKER))
      problems.push("a bash was started with a socket as stdin: it read ~/.bashrc");
    await rm(directory, { recursive: true, force: true });
    if (problems.length > 0)
      throw new Error(`the tests did not leave the machine as it was:\n  ${problems.join("\n  ")}`);
  };
}

/** Processes that a test started and did not stop: they inherited the run's name. */
async function left(directory: string): Promise<string[]> {
  const own = String(process.pid);
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && name !== own)) {
    const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
    if (!environment.split("\0").includes(`${RUN}=${directory}`)) continue;
    const command = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).replaceAll("\0", " ").trim();
    // Vitest's own workers end after this; a zombie has no command line.
    if (command !== "" && !command.includes("vitest"))
      found.push(`process ${pid} still runs: ${command.slice(0, 200)}`);
  }
  return found;
}

async function snapshot(): Promise<Map<string, string>> {
  const entries = new Map<string, string>();
  if (process.env.CI === undefined) return entries;
  for (const { path, depth } of WATCHED) await walk(path, depth, entries);
  return entries;
}

async function walk(directory: string, depth: number, entries: Map<string, string>): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => [])) {
    const path = join(directory, entry.name);
    if (IGNORED.test(path)) continue;
    if (entry.isDirectory() && depth > 1) await walk(path, depth - 1, entries);
    else if (entry.isFile()) {
      const { size, mtimeMs } = await stat(path);
      entries.set(path, `${size} bytes, ${new Date(mtimeMs).toISOString()}`);
    }
  }
}

function differences(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  const paths = new Set([...before.keys(), ...after.keys()]);
  return [...paths]
    .filter((path) => before.get(path) !== after.get(path))
    .map((path) => `${path} was ${before.get(path) ?? "absent"} and is ${after.get(path) ?? "absent"}`);
}
