import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { RedisOptions } from "../../src/queue/options.ts";
import { openJobQueue } from "../../src/queue/producer.ts";
import { startWorker } from "../../src/queue/worker.ts";
import { startRedis } from "../support/servers/redis.ts";

/** About 9 s on an idle machine: the lock's time and one look for stalled jobs. */
const TAKEOVER_MAX_MS = 30_000;

test("the job of a worker killed twice is taken over each time, on a busy machine too", async () => {
  await using server = await startRedis();
  const redis: RedisOptions = { kind: "single", path: server.path ?? "" };
  const queue = openJobQueue(redis);
  await queue.enqueue([{ kind: "issue", renewalId: "survivor", generation: 1, fence: 1, priority: 1 }]);

  await holdAndKill(server.path ?? "");
  const firstDeath = performance.now();
  await holdAndKill(server.path ?? "");
  expect(performance.now() - firstDeath).toBeLessThan(TAKEOVER_MAX_MS);

  const secondDeath = performance.now();
  const handled: string[] = [];
  const worker = startWorker({
    redis,
    kind: "issue",
    concurrency: 1,
    handle: async ({ renewalId }) => void handled.push(renewalId),
    onError: () => {},
  });
  await expect.poll(() => handled, { timeout: 40_000 }).toEqual(["survivor"]);
  expect(performance.now() - secondDeath).toBeLessThan(TAKEOVER_MAX_MS);
  await worker.close();
  await queue.close();
});

test("a process told to stop while Redis is down is gone within 10 s, having opened everything", async () => {
  await using server = await startRedis();
  const queue = openJobQueue({ kind: "single", path: server.path ?? "" });
  await queue.enqueue([{ kind: "issue", renewalId: "a", generation: 1, fence: 1, priority: 1 }]);
  await queue.close();
  const { child, exited } = await hold(server.path ?? "");
  await server.kill();
  const told = performance.now();
  child.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
  expect(performance.now() - told).toBeLessThan(10_000);
});

async function holdAndKill(path: string): Promise<void> {
  const { child, exited } = await hold(path);
  child.kill("SIGKILL");
  await exited;
}

/** Resolves once the process holds the job. */
async function hold(path: string) {
  const child = spawn(process.execPath, [join(import.meta.dirname, "holdJob.ts"), path], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const exited = once(child, "exit");
  await once(child.stdout, "data");
  return { child, exited };
}
