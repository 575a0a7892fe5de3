// What somebody writes into the queue by hand must not stop it for others.
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RenewalError } from "../../src/domain/errors.ts";
import { type RequestWorkerOptions, startRequestWorker } from "../../src/queue/requestWorker.ts";
import { type RedisServer, startRedis } from "../support/servers/redis.ts";
import { until } from "../support/until.ts";

let server: RedisServer;
const closing: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  server = await startRedis();
});

afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
  await server[Symbol.asyncDispose]();
});

function work(handle: RequestWorkerOptions["handle"]): RenewalError[] {
  const errors: RenewalError[] = [];
  const redis = { kind: "single", url: server.url } as const;
  const worker = startRequestWorker({ redis, handle, onError: (error) => void errors.push(error) });
  closing.push(() => worker.close());
  return errors;
}

/** A producer with nothing of renewd's. */
function stranger() {
  const connection = new Redis(server.path ?? "", { maxRetriesPerRequest: null });
  const queue = new Queue("renewal-requests", { connection, prefix: "{renewd}" });
  closing.push(async () => {
    await queue.close();
    connection.disconnect();
  });
  const outcome = async (jobId: string | undefined) => {
    const job = await until("an answer", async () => {
      const found = await queue.getJob(jobId ?? "");
      return found?.finishedOn === undefined ? null : found;
    });
    return job.failedReason ?? job.returnvalue;
  };
  return { queue, outcome };
}

describe("jobs", () => {
  test("whose options are not JSON are refused too, after a while", { timeout: 40_000 }, async () => {
    const { queue } = stranger();
    const job = await queue.add("renew", {}, { jobId: "broken" });
    await server.command("HSET", `{renewd}:renewal-requests:${job.id}`, "opts", "{");
    const errors = work(async () => ({ renewalId: "r-1" }));
    await expect.poll(() => errors.map(({ message }) => message).join(), { timeout: 30_000 }).toContain('"dropped"');
    expect(await job.getState()).toBe("failed");
  });

  test.each(["stalled", "active", "completed", "marker"])(
    "named %s do not stop the queue",
    { timeout: 60_000 },
    async (name) => {
      const { queue, outcome } = stranger();
      await queue.add("renew", { version: 1, certificate: "shop" }, { jobId: name }).catch(() => {});
      work(async () => ({ renewalId: "r-1" }));
      const good = await queue.add("renew", { version: 1, certificate: "shop" }).catch(() => null);
      // While the key is taken, adding may fail as well: a sender tries again.
      const sent =
        good ??
        (await until("a request to be taken", () =>
          queue.add("renew", { version: 1, certificate: "shop" }).catch(() => null),
        ));
      expect(await outcome(sent.id)).toEqual({ renewalId: "r-1" });
      expect(await server.command("TYPE", `{renewd}:renewal-requests:${name}`)).not.toBe("hash");
    },
  );
});
