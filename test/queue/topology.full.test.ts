import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { RenewalError } from "../../src/domain/errors.ts";
import { checkRedis } from "../../src/queue/check.ts";
import type { RedisOptions } from "../../src/queue/options.ts";
import { openJobQueue } from "../../src/queue/producer.ts";
import { requestRenewal, waitForRequest } from "../../src/queue/requests.ts";
import { startRequestWorker } from "../../src/queue/requestWorker.ts";
import { startScheduler } from "../../src/queue/scheduler.ts";
import { startWorker } from "../../src/queue/worker.ts";
import { freePort } from "../support/freePort.ts";
import { type RedisServer, startRedis } from "../support/servers/redis.ts";

/** Everything of the queue once, against whatever `redis` is. */
async function exercise(
  redis: RedisOptions,
): Promise<{ handled: string[]; ticks: Set<string>; renewalId: string; errors: RenewalError[] }> {
  const handled: string[] = [];
  const ticks = new Set<string>();
  const errors: RenewalError[] = [];
  const onError = (error: RenewalError): void => void errors.push(error);
  const worker = startWorker({
    redis,
    kind: "deploy",
    concurrency: 2,
    handle: async (job) => void handled.push(job.renewalId),
    onError,
  });
  const scheduler = startScheduler({
    redis,
    tickMs: 60_000,
    sweepMs: 60_000,
    handle: async (what) => void ticks.add(what),
    onError,
  });
  const requests = startRequestWorker({ redis, handle: async () => ({ renewalId: "r-1" }), onError });
  const queue = openJobQueue(redis);
  await queue.enqueue(
    [1, 2, 3].map((fence) => ({
      kind: "deploy",
      renewalId: `r-${fence}`,
      generation: 1,
      target: "edge",
      agent: false,
      fence,
      priority: 1,
    })),
  );
  await expect.poll(() => handled.length, { timeout: 10_000 }).toBe(3);
  await expect.poll(() => ticks.size, { timeout: 10_000 }).toBe(2);
  const { jobId } = await requestRenewal(redis, { version: 1, certificate: "shop" });
  const { renewalId } = await waitForRequest(redis, jobId, 5_000, AbortSignal.timeout(10_000));
  await Promise.all([worker.close(), scheduler.close(), requests.close(), queue.close()]);
  return { handled, ticks, renewalId, errors };
}

test("a Redis Cluster is one more place for the queue: all keys share a slot", async () => {
  await using server = await startRedis({
    listen: "tcp",
    args: [
      "--cluster-enabled",
      "yes",
      "--cluster-port",
      String(await freePort()),
      "--cluster-announce-ip",
      "127.0.0.1",
    ],
  });
  await server.command("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
  await expect.poll(() => server.command("CLUSTER", "INFO"), { timeout: 10_000 }).toContain("cluster_state:ok");
  const redis: RedisOptions = { kind: "cluster", nodes: [{ host: "127.0.0.1", port: server.port ?? 0 }] };
  expect(await checkRedis(redis)).toMatchObject({ maxmemoryPolicy: "noeviction" });
  expect(await exercise(redis)).toMatchObject({ renewalId: "r-1", errors: [] });
  const slots = new Set<string>();
  for (const key of (await server.command("KEYS", "*")).split("\n"))
    slots.add(await server.command("CLUSTER", "KEYSLOT", key));
  expect(slots.size).toBe(1);
});

test("after a Sentinel failover the queue goes on at the new master", async () => {
  await using master = await startRedis({ listen: "tcp" });
  await using replica = await startRedis({ listen: "tcp", args: ["--replicaof", "127.0.0.1", String(master.port)] });
  await using sentinel = await startSentinel(master);
  const redis: RedisOptions = {
    kind: "sentinel",
    name: "renewd",
    sentinels: [{ host: "127.0.0.1", port: sentinel.port }],
  };
  expect(await checkRedis(redis)).toMatchObject({ maxmemoryPolicy: "noeviction" });

  const handled: string[] = [];
  const queue = openJobQueue(redis);
  const worker = startWorker({
    redis,
    kind: "issue",
    concurrency: 1,
    handle: async (job) => void handled.push(job.renewalId),
    onError: () => {},
  });
  const enqueue = (renewalId: string) =>
    queue.enqueue([{ kind: "issue", renewalId, generation: 1, fence: 1, priority: 1 }]);
  await enqueue("before");
  await expect.poll(() => handled, { timeout: 10_000 }).toEqual(["before"]);

  const sentinelSays = async (...args: string[]): Promise<string> =>
    (await sentinel.command("SENTINEL", ...args)).replaceAll("\n", " ");
  // Sentinel learns of replicas every 10 s.
  await expect.poll(() => sentinelSays("REPLICAS", "renewd"), { timeout: 20_000 }).toContain(`port ${replica.port} `);
  await expect.poll(() => sentinelSays("FAILOVER", "renewd"), { timeout: 20_000 }).toBe("OK");
  await expect
    .poll(() => sentinelSays("GET-MASTER-ADDR-BY-NAME", "renewd"), { timeout: 20_000 })
    .toBe(`127.0.0.1 ${replica.port}`);
  await master.kill();
  await expect
    .poll(
      () =>
        enqueue("after").then(
          () => "enqueued",
          () => "not yet",
        ),
      { timeout: 10_000 },
    )
    .toBe("enqueued");
  await expect.poll(() => handled, { timeout: 10_000 }).toEqual(["before", "after"]);
  await Promise.all([worker.close(), queue.close()]);
});

async function startSentinel(master: RedisServer) {
  const port = await freePort();
  const file = join(master.directory, "sentinel.conf");
  await writeFile(
    file,
    `port ${port}\nbind 127.0.0.1\ndir ${master.directory}\nsentinel monitor renewd 127.0.0.1 ${master.port} 1\n`,
  );
  const child = spawn("redis-server", [file, "--sentinel"], { stdio: "ignore" });
  const exited = once(child, "exit");
  const command = async (...args: string[]): Promise<string> => {
    const cli = spawn("redis-cli", ["-p", String(port), ...args], { stdio: ["ignore", "pipe", "ignore"] });
    return (await new Response(cli.stdout).text()).trim();
  };
  await expect.poll(() => command("PING"), { timeout: 10_000 }).toBe("PONG");
  return {
    port,
    command,
    async [Symbol.asyncDispose]() {
      child.kill();
      await exited;
    },
  };
}
