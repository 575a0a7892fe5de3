import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RenewalError } from "../../src/domain/errors.ts";
import type { RedisOptions } from "../../src/queue/options.ts";
import { parseRequest, type RenewalRequest } from "../../src/queue/payload.ts";
import { requestRenewal, waitForRequest } from "../../src/queue/requests.ts";
import { type RequestWorkerOptions, startRequestWorker } from "../../src/queue/requestWorker.ts";
import { type RedisServer, startRedis } from "../support/servers/redis.ts";

let server: RedisServer;
let redis: RedisOptions;
const closing: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  server = await startRedis();
  redis = { kind: "single", url: server.url };
});

afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
  await server[Symbol.asyncDispose]();
});

function answer(handle: RequestWorkerOptions["handle"]): RenewalError[] {
  const errors: RenewalError[] = [];
  const worker = startRequestWorker({ redis, handle, onError: (error) => void errors.push(error) });
  closing.push(() => worker.close());
  return errors;
}

/** A producer as docs/queue.md describes it, with nothing of ours. */
function stranger() {
  const connection = new Redis(server.path ?? "", { maxRetriesPerRequest: null });
  const queue = new Queue("renewal-requests", { connection, prefix: "{renewd}" });
  closing.push(async () => {
    await queue.close();
    connection.disconnect();
  });
  const outcome = async (jobId: string | undefined) => {
    await expect
      .poll(async () => (await queue.getJob(jobId ?? ""))?.finishedOn, { timeout: 10_000 })
      .toBeTypeOf("number");
    const { returnvalue, failedReason } = (await queue.getJob(jobId ?? "")) ?? {};
    return failedReason ?? returnvalue;
  };
  return { queue, outcome };
}

const patience = () => AbortSignal.timeout(10_000);

describe("our own requests", () => {
  test("are answered with the renewal's id", async () => {
    const requests: [RenewalRequest, string][] = [];
    const request = { version: 1 as const, certificate: "shop", force: true, reason: "drill", requestedBy: "ana" };
    const { jobId } = await requestRenewal(redis, request);
    answer(async (received, from) => {
      requests.push([received, from.jobId]);
      return { renewalId: "r-1" };
    });
    expect(await waitForRequest(redis, jobId, 5_000, patience())).toEqual({ renewalId: "r-1" });
    expect(requests).toEqual([[request, jobId]]);
    // Asking again gives the same answer.
    expect(await waitForRequest(redis, jobId, 5_000, patience())).toEqual({ renewalId: "r-1" });
  });

  test("that the handler refuses fail with its code and message, once", async () => {
    let calls = 0;
    answer(async () => {
      calls++;
      throw new RenewalError("config.removed", "certificate shop is not in the configuration");
    });
    const { jobId } = await requestRenewal(redis, { version: 1, certificate: "shop" });
    await expect(waitForRequest(redis, jobId, 5_000, patience())).rejects.toMatchObject({
      code: "config.removed",
      message: "certificate shop is not in the configuration",
    });
    expect(calls).toBe(1);
  });

  test("keep a foreign error's text out of Redis", async () => {
    const errors = answer(async () => {
      throw new TypeError("planted-secret");
    });
    const { jobId } = await requestRenewal(redis, { version: 1, certificate: "shop" });
    await expect(waitForRequest(redis, jobId, 5_000, patience())).rejects.toMatchObject({
      code: "internal.bug",
      message: expect.stringContaining("see its log"),
    });
    expect(errors.map((error) => error.message)).toEqual(["planted-secret"]);
    const stored = await server.command("HGETALL", `{renewd}:renewal-requests:${jobId}`);
    expect(stored + (await server.command("XRANGE", "{renewd}:renewal-requests:events", "-", "+"))).not.toContain(
      "planted-secret",
    );
  });

  test("that are invalid never reach Redis", async () => {
    await expect(requestRenewal(redis, { version: 1, certificate: "" })).rejects.toMatchObject({
      code: "request.invalid",
    });
    expect(await server.command("KEYS", "*")).toBe("");
  });

  test("that nobody takes, or that Redis lost, end in a clear message", async () => {
    const { jobId } = await requestRenewal(redis, { version: 1, certificate: "shop" });
    await expect(waitForRequest(redis, jobId, 300, patience())).rejects.toThrow(
      `no planner took request ${jobId} within 0.3 s`,
    );
    await server.flushall();
    await expect(waitForRequest(redis, jobId, 300, patience())).rejects.toThrow(`no longer knows request ${jobId}`);
  });

  test("come before a flood of a program's requests, and who is not answered is told how many wait", async () => {
    const { queue } = stranger();
    const flood = Array.from({ length: 300 }, () => ({ name: "renew", data: { version: 1, certificate: "shop" } }));
    await queue.addBulk(flood);
    const release = Promise.withResolvers<void>();
    let taken = 0;
    answer(async ({ requestedBy }) => {
      taken += 1;
      if (taken > 20) await release.promise;
      return { renewalId: requestedBy ?? "flood" };
    });
    // Four are at work, and each is busy.
    await expect.poll(() => taken, { timeout: 10_000 }).toBe(24);
    const { jobId } = await requestRenewal(redis, { version: 1, certificate: "shop", requestedBy: "ana" });
    await expect(waitForRequest(redis, jobId, 300, patience())).rejects.toMatchObject({
      code: "queue.busy",
      message: expect.stringMatching(/^planners are busy: 2\d\d requests wait/),
    });
    release.resolve();
    expect(await waitForRequest(redis, jobId, 10_000, patience())).toEqual({ renewalId: "ana" });
    expect(await queue.getWaitingCount(), "answered before the flood").toBeGreaterThan(100);
  });

  test("fail within 2 s with Redis down", async () => {
    await server.kill();
    const started = performance.now();
    await expect(requestRenewal(redis, { version: 1, certificate: "shop" })).rejects.toMatchObject({
      code: "queue.unavailable",
    });
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  test("stop waiting when told to", async () => {
    const { jobId } = await requestRenewal(redis, { version: 1, certificate: "shop" });
    await expect(waitForRequest(redis, jobId, 60_000, AbortSignal.timeout(200))).rejects.toThrow();
  });
});

describe("requests of any other producer", () => {
  test("are answered, and the answer can be read later", async () => {
    answer(async ({ certificate }) => ({ renewalId: `renewal-of-${certificate}` }));
    const { queue, outcome } = stranger();
    const job = await queue.add("renew", { version: 1, certificate: "shop" });
    expect(await outcome(job.id)).toEqual({ renewalId: "renewal-of-shop" });
    expect(JSON.parse(await server.command("HGET", `{renewd}:renewal-requests:${job.id}`, "returnvalue"))).toEqual({
      renewalId: "renewal-of-shop",
    });
  });

  test("that are invalid fail by name of the field, unretried whatever they ask for", async () => {
    const errors = answer(async () => ({ renewalId: "never" }));
    const { queue, outcome } = stranger();
    const job = await queue.add("renew", { version: 1, certificate: 7 }, { attempts: 5, backoff: 10 });
    expect(await outcome(job.id)).toBe("request.invalid: certificate: expected string, received number");
    expect(errors).toHaveLength(1);
    expect(await job.getState()).toBe("failed");
  });

  test("that are not JSON are refused once, and others after them answered", async () => {
    const { queue, outcome } = stranger();
    const job = await queue.add("renew", {}, { jobId: "broken" });
    await server.command("HSET", `{renewd}:renewal-requests:${job.id}`, "data", "{");
    answer(async () => ({ renewalId: "r-1" }));
    expect(await outcome(job.id)).toMatch(/^request\.invalid: /);
    const good = await queue.add("renew", { version: 1, certificate: "shop" });
    expect(await outcome(good.id)).toEqual({ renewalId: "r-1" });
  });

  test("that are huge are refused and not kept", async () => {
    answer(async () => ({ renewalId: "never" }));
    const { queue, outcome } = stranger();
    const job = await queue.add("renew", { version: 1, certificate: "x".repeat(3_000_000) });
    expect(await outcome(job.id)).toMatch(/^request\.invalid: certificate: Too big/);
    expect(Number(await server.command("MEMORY", "USAGE", `{renewd}:renewal-requests:${job.id}`))).toBeLessThan(5_000);
  });
});

describe("docs/queue.md", () => {
  test("shows a payload that is accepted, the right names, and every field", async () => {
    const text = await readFile(join(import.meta.dirname, "../../docs/queue.md"), "utf8");
    const example = /```json\n(.*?)```/s.exec(text)?.[1] ?? "";
    const request = parseRequest(JSON.parse(example));
    for (const field of ["version", "certificate", "force", "reason", "requestedBy"]) {
      expect(request).toHaveProperty(field);
      expect(text).toContain(`| \`${field}\` |`);
    }
    expect(text).toContain("| Queue | `renewal-requests` |");
    expect(text).toContain("| Prefix | `{renewd}`");
  });
});
