import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkRedis } from "../../src/queue/check.ts";
import {
  type PrivateRedis,
  type PrivateRedisOptions,
  privateRedisSocket,
  startPrivateRedis,
} from "../../src/queue/privateRedis.ts";
import { openJobQueue } from "../../src/queue/producer.ts";
import { startWorker } from "../../src/queue/worker.ts";

let directory: string;
const running: PrivateRedis[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-private-"));
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.stop()));
  await rm(directory, { recursive: true, force: true });
});

async function start(options: Partial<PrivateRedisOptions> = {}): Promise<PrivateRedis> {
  const started = await startPrivateRedis({ directory, ...options });
  running.push(started);
  return started;
}

/** The process that holds the socket. */
async function pidOf(path: string): Promise<number> {
  const child = spawn("redis-cli", ["-s", path, "INFO", "server"], { stdio: ["ignore", "pipe", "inherit"] });
  const [text] = await Promise.all([new Response(child.stdout).text(), once(child, "exit")]);
  return Number(/process_id:(\d+)/.exec(text)?.[1]);
}

test("it listens on a socket of ours alone, keeps what it is given, and is gone after stop", async () => {
  const state = join(directory, "new", "state");
  const first = await start({ directory: state });
  expect(first).toMatchObject({ path: privateRedisSocket(state), adopted: false });
  expect((await stat(state)).mode & 0o777).toBe(0o700);
  expect((await stat(first.path)).mode & 0o777).toBe(0o700);
  expect(await checkRedis({ kind: "single", path: first.path })).toMatchObject({ maxmemoryPolicy: "noeviction" });

  const queue = openJobQueue({ kind: "single", path: first.path });
  await queue.enqueue([{ kind: "issue", renewalId: "kept", generation: 1, fence: 1, priority: 1 }]);
  await first.stop();
  await expect(checkRedis({ kind: "single", path: first.path })).rejects.toMatchObject({ code: "queue.unavailable" });

  const second = await start({ directory: state });
  const handled: string[] = [];
  const worker = startWorker({
    redis: { kind: "single", path: second.path },
    kind: "issue",
    concurrency: 1,
    handle: async ({ renewalId }) => void handled.push(renewalId),
    onError: () => {},
  });
  await expect.poll(() => handled, { timeout: 5_000 }).toEqual(["kept"]);
  await worker.close();
  await queue.close();
});

test("an idle one looks at its clock four times a second, and a worker asks it once in ten seconds", async () => {
  const { path } = await start();
  const monitor = spawn("redis-cli", ["-s", path, "MONITOR"], { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: monitor.stdout });
  await once(lines, "line");
  const redis = { kind: "single", path } as const;
  const worker = startWorker({ redis, kind: "issue", concurrency: 1, async handle() {}, onError() {} });
  for await (const line of lines) {
    if (!line.includes('"bzpopmin"')) continue;
    expect(line).toMatch(/ "10"$/);
    break;
  }
  monitor.kill();
  await worker.close();
  const asked = spawn("redis-cli", ["-s", path, "CONFIG", "GET", "hz"], { stdio: ["ignore", "pipe", "inherit"] });
  expect(await new Response(asked.stdout).text()).toBe("hz\n4\n");
});

test("when it dies it comes back, each time a little later", async () => {
  const exits: { reason: string; restartInMs: number }[] = [];
  const { path } = await start({ onExit: (exit) => void exits.push(exit) });
  for (const round of [1, 2]) {
    process.kill(await pidOf(path), "SIGKILL");
    await expect.poll(() => exits.length, { timeout: 5_000 }).toBe(round);
    await expect
      .poll(() => checkRedis({ kind: "single", path }).catch(() => null), { timeout: 5_000 })
      .toMatchObject({ maxmemoryPolicy: "noeviction" });
  }
  expect(exits).toEqual([
    { reason: "signal SIGKILL", restartInMs: 100 },
    // The second may have been killed before its starter saw it answer, and says so then.
    { reason: expect.stringContaining("signal SIGKILL"), restartInMs: 200 },
  ]);
});

test("one left behind by a killed process is adopted, watched and stopped", async () => {
  const orphaner = spawn(process.execPath, [join(import.meta.dirname, "orphanRedis.ts"), directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(orphaner.stdout, "data");
  orphaner.kill("SIGKILL");
  await once(orphaner, "exit");

  const exits: string[] = [];
  const adopter = await start({ onExit: ({ reason }) => void exits.push(reason) });
  expect(adopter.adopted).toBe(true);
  const orphan = await pidOf(adopter.path);
  process.kill(orphan, "SIGKILL");
  await expect.poll(() => exits, { timeout: 5_000 }).toEqual(["its socket closed"]);
  await expect
    .poll(() => checkRedis({ kind: "single", path: adopter.path }).catch(() => null), { timeout: 5_000 })
    .not.toBeNull();
  expect(await pidOf(adopter.path)).not.toBe(orphan);
  await adopter.stop();
  await expect(stat(adopter.path)).rejects.toMatchObject({ code: "ENOENT" });
});

test("an adopted one that another process needs stays", async () => {
  const owner = await start();
  const adopter = await start();
  const pid = await pidOf(adopter.path);
  await adopter.stop(true);
  expect(await pidOf(owner.path)).toBe(pid);
  await owner.stop();
});

test("an adopted one that still runs is stopped as well", async () => {
  const owner = await start();
  const adopter = await start();
  expect(adopter.adopted).toBe(true);
  const pid = await pidOf(adopter.path);
  await Promise.all([adopter.stop(), owner.stop()]);
  expect(() => process.kill(pid, 0)).toThrow();
});

test("one that hangs is killed and started again with all that it held", async () => {
  const exits: string[] = [];
  const { path } = await start({ pingMs: 200, onExit: ({ reason }) => void exits.push(reason) });
  const redis = { kind: "single", path } as const;
  const queue = openJobQueue(redis);
  await queue.enqueue([{ kind: "issue", renewalId: "kept", generation: 1, fence: 1, priority: 1 }]);
  const pid = await pidOf(path);
  process.kill(pid, "SIGSTOP");
  await expect.poll(() => exits, { timeout: 10_000 }).toEqual(["it did not answer and was killed (signal SIGKILL)"]);
  const handled: string[] = [];
  const worker = startWorker({
    ...{ redis, kind: "issue", concurrency: 1, onError() {} },
    handle: async ({ renewalId }) => void handled.push(renewalId),
  });
  await expect.poll(() => handled, { timeout: 10_000 }).toEqual(["kept"]);
  expect(await pidOf(path)).not.toBe(pid);
  await worker.close();
  await queue.close();
});

test("one that hangs is not doubled", async () => {
  const { path } = await start();
  const pid = await pidOf(path);
  process.kill(pid, "SIGSTOP");
  await expect(startPrivateRedis({ directory })).rejects.toMatchObject({
    code: "queue.unavailable",
    message: expect.stringContaining("does not answer"),
  });
  process.kill(pid, "SIGCONT");
});

test("a directory too long for a socket gets one elsewhere that others find", async () => {
  const deep = join(directory, "x".repeat(60), "y".repeat(60));
  const { path } = await start({ directory: deep });
  expect(Buffer.byteLength(path)).toBeLessThanOrEqual(107);
  expect((await stat(dirname(path))).mode & 0o777).toBe(0o700);
  expect(privateRedisSocket(deep)).toBe(path);
  expect((await readFile(join(deep, "redis.sock.location"), "utf8")).trim()).toBe(path);
  expect(await checkRedis({ kind: "single", path })).toMatchObject({ maxmemoryPolicy: "noeviction" });
  await running.pop()?.stop();
  await rm(dirname(path), { recursive: true });
});

test("a socket directory that others may write is refused", async () => {
  const deep = join(directory, "x".repeat(120));
  const squatted = dirname(privateRedisSocket(deep));
  await mkdir(squatted, { mode: 0o777 });
  try {
    const { mode } = await stat(squatted);
    expect(mode & 0o077).not.toBe(0);
    await expect(startPrivateRedis({ directory: deep })).rejects.toMatchObject({
      code: "queue.unavailable",
      message: expect.stringContaining(squatted),
    });
  } finally {
    await rm(squatted, { recursive: true });
  }
});

test("a missing redis-server is named with what to do", async () => {
  await expect(startPrivateRedis({ directory, binary: "redis-server-not-here" })).rejects.toMatchObject({
    code: "queue.unavailable",
    message:
      "redis-server-not-here cannot be run (spawn redis-server-not-here ENOENT): install redis-server or set redis.url",
  });
});

test("one that cannot start says why", async () => {
  await mkdir(join(directory, "redis.sock", "occupied"), { recursive: true });
  await expect(startPrivateRedis({ directory })).rejects.toMatchObject({
    code: "queue.unavailable",
    message: expect.stringMatching(/^The private Redis in \S+ did not start \(exit code 1\): .*socket/i),
  });
});
