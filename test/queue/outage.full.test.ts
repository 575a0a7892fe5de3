import { setTimeout as delay } from "node:timers/promises";
import { test } from "vitest";
import type { RenewalError } from "../../src/domain/errors.ts";
import type { RedisOptions } from "../../src/queue/options.ts";
import { openJobQueue } from "../../src/queue/producer.ts";
import { requestRenewal, waitForRequest } from "../../src/queue/requests.ts";
import { startRequestWorker } from "../../src/queue/requestWorker.ts";
import { startScheduler } from "../../src/queue/scheduler.ts";
import { startWorker } from "../../src/queue/worker.ts";
import { startRedis } from "../support/servers/redis.ts";

/**
 * The drill's own length, not a wait for something to happen: longer than BullMQ's drainDelay, where older versions
 * never resumed.
 */
const OUTAGE_MS = 20_000;

// The test's own `expect`: the global one belongs to whichever of two concurrent tests ran last.
test.concurrent.for([
  ["AOF", true, "unix"],
  ["no persistence", false, "tcp"],
] as const)(
  "after a 20 s outage of a Redis with %s everything works again within 5 s",
  async ([_, appendonly, listen], { expect }) => {
    await using server = await startRedis({ appendonly, listen });
    const redis: RedisOptions = { kind: "single", url: server.url };
    const errors: RenewalError[] = [];
    const onError = (error: RenewalError): void => void errors.push(error);
    const handled: string[] = [];
    const ticks: string[] = [];
    const worker = startWorker({
      redis,
      kind: "issue",
      concurrency: 2,
      handle: async ({ renewalId }) => void handled.push(renewalId),
      onError,
    });
    const scheduler = startScheduler({
      redis,
      tickMs: 1_000,
      sweepMs: 60_000,
      handle: async (what) => void ticks.push(what),
      onError,
    });
    const requests = startRequestWorker({
      redis,
      handle: async ({ certificate }) => ({ renewalId: `renewal-of-${certificate}` }),
      onError,
    });
    const queue = openJobQueue(redis);
    const enqueue = (renewalId: string) =>
      queue.enqueue([{ kind: "issue", renewalId, generation: 1, fence: 1, priority: 1 }]);

    await enqueue("before");
    await expect.poll(() => handled).toEqual(["before"]);
    await expect.poll(() => ticks).toContain("plan");

    await server.stop();
    await delay(OUTAGE_MS);
    // Each of the six connections complained every second or so; people are told now and then.
    expect(errors.length).toBeGreaterThan(0);
    expect(errors.length).toBeLessThan(20);
    ticks.length = 0;
    await server.restart();
    const back = performance.now();

    await enqueue("after");
    await expect.poll(() => handled, { timeout: 5_000, interval: 20 }).toEqual(["before", "after"]);
    const { jobId } = await requestRenewal(redis, { version: 1, certificate: "shop" });
    expect(await waitForRequest(redis, jobId, 5_000, AbortSignal.timeout(6_000))).toEqual({
      renewalId: "renewal-of-shop",
    });
    expect(performance.now() - back).toBeLessThan(5_000);
    await expect.poll(() => ticks, { timeout: 10_000 }).toContain("plan");
    await Promise.all([worker.close(), scheduler.close(), requests.close(), queue.close()]);
  },
);
