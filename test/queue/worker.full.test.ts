import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RenewalError } from "../../src/domain/errors.ts";
import type { Job } from "../../src/domain/queue.ts";
import type { RedisOptions } from "../../src/queue/options.ts";
import { openJobQueue } from "../../src/queue/producer.ts";
import { startWorker, type WorkerOptions } from "../../src/queue/worker.ts";
import { type RedisServer, startRedis } from "../support/servers/redis.ts";

let server: RedisServer;
let redis: RedisOptions;
let queue: ReturnType<typeof openJobQueue>;
const closing: (() => Promise<void>)[] = [];

beforeEach(async () => {
  server = await startRedis();
  redis = { kind: "single", url: server.url };
  queue = openJobQueue(redis);
});

afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
  await queue.close();
  await server[Symbol.asyncDispose]();
});

const issue = (renewalId: string): Job => ({ kind: "issue", renewalId, generation: 1, fence: 1, priority: 5 });

function work(options: Partial<WorkerOptions> & Pick<WorkerOptions, "handle">) {
  const errors: { error: RenewalError; jobId: string | undefined }[] = [];
  const worker = startWorker({
    redis,
    kind: "issue",
    concurrency: 1,
    drainTimeoutMs: 300,
    onError: (error, jobId) => void errors.push({ error, jobId }),
    ...options,
  });
  closing.push(() => worker.close());
  return { worker, errors };
}

/** A handler that runs until its signal aborts, and how often it started and why it ended. */
function endless() {
  const started: string[] = [];
  const ended: unknown[] = [];
  const handle = async ({ renewalId }: Job, signal: AbortSignal): Promise<void> => {
    started.push(renewalId);
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    ended.push(signal.reason);
    signal.throwIfAborted();
  };
  return { started, ended, handle };
}

describe("a worker", () => {
  test("that lost the database puts its job back and takes none until the database answers", async () => {
    const answers = Promise.withResolvers<void>();
    const handled: string[] = [];
    const asked = Promise.withResolvers<void>();
    const { worker, errors } = work({
      async handle({ renewalId }) {
        handled.push(renewalId);
        if (handled.length === 1) throw new RenewalError("store.unavailable", "the database is away");
      },
      isReady() {
        asked.resolve();
        return answers.promise;
      },
    });
    await worker.ready();
    await queue.enqueue([issue("a"), issue("b")]);
    await asked.promise;
    await expect.poll(() => server.command("LLEN", "{renewd}:issue:active")).toBe("0");
    const others = startWorker({
      redis,
      kind: "issue",
      concurrency: 1,
      handle: async ({ renewalId }) => void handled.push(`${renewalId} elsewhere`),
      onError: () => {},
    });
    closing.push(() => others.close());
    await expect.poll(() => handled.length).toBe(3);
    expect(handled.slice(1).sort()).toEqual(["a elsewhere", "b elsewhere"]);
    await others.close();
    answers.resolve();
    await queue.enqueue([issue("c")]);
    await expect.poll(() => handled.at(-1)).toBe("c");
    expect(errors).toHaveLength(1);
  });

  test("hands over the job as it was enqueued", async () => {
    const jobs: Job[] = [];
    work({ kind: "deploy", handle: async (job) => void jobs.push(job) });
    const job: Job = {
      kind: "deploy",
      renewalId: "r",
      generation: 2,
      fence: 4,
      target: "edge-1",
      agent: false,
      priority: 0,
    };
    await queue.enqueue([job, { ...job, target: "edge-2", agent: false, priority: 3 }]);
    await expect.poll(() => jobs).toEqual([job, { ...job, target: "edge-2", agent: false, priority: 3 }]);
  });

  test("runs as many jobs at once as it may", async () => {
    const { started, handle } = endless();
    work({ concurrency: 3, handle });
    await queue.enqueue(["a", "b", "c", "d"].map(issue));
    await expect.poll(() => started).toEqual(["a", "b", "c"]);
    expect(await server.command("ZCARD", "{renewd}:issue:prioritized")).toBe("1");
  });

  test("does work beside its jobs in place of one, and when it closes waits for it and then ends it", async () => {
    const { started, handle } = endless();
    const { worker } = work({ concurrency: 2, handle });
    await worker.ready();
    const ended: unknown[] = [];
    const beside = async (signal: AbortSignal): Promise<void> => {
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
      ended.push(signal.reason);
    };
    worker.runBeside(beside);
    await queue.enqueue([issue("a"), issue("b")]);
    await expect.poll(() => started).toEqual(["a"]);
    expect(await server.command("ZCARD", "{renewd}:issue:prioritized")).toBe("1");
    expect(ended).toEqual([]);
    await worker.close();
    expect(ended).toMatchObject([{ code: "lease.lost" }]);
    // What was claimed just then is told at once.
    worker.runBeside(beside);
    expect(ended).toHaveLength(2);
  });

  test("takes what its queue holds as soon as work beside has ended, although a job goes on", async () => {
    const { started, handle } = endless();
    const { worker } = work({ concurrency: 2, handle });
    await worker.ready();
    const beside = Promise.withResolvers<void>();
    worker.runBeside(() => beside.promise);
    await queue.enqueue([issue("a"), issue("b")]);
    await expect.poll(() => started).toEqual(["a"]);
    beside.resolve();
    await expect.poll(() => started).toEqual(["a", "b"]);
  });

  test("takes more of what its queue holds as soon as it may, although a job goes on", async () => {
    const { started, handle } = endless();
    const { worker } = work({ concurrency: 1, handle });
    await queue.enqueue([issue("a"), issue("b"), issue("c")]);
    await expect.poll(() => started).toEqual(["a"]);
    worker.setConcurrency(3);
    await expect.poll(() => started).toEqual(["a", "b", "c"]);
  });

  test("reports a failed handler once, never tries again, and leaves no word of it in Redis", async () => {
    let calls = 0;
    const { errors } = work({
      handle: async () => {
        calls++;
        throw calls === 1 ? new RenewalError("acme.dns", "planted-secret") : new TypeError("planted-secret");
      },
    });
    await queue.enqueue([issue("a"), issue("b")]);
    await expect
      .poll(() => errors.map(({ error, jobId }) => [error.code, jobId]))
      .toEqual([
        ["acme.dns", "issue-a-1"],
        ["internal.bug", "issue-b-1"],
      ]);
    await expect.poll(() => server.command("KEYS", "{renewd}:issue:issue-*")).toBe("");
    expect(await server.command("XRANGE", "{renewd}:issue:events", "-", "+")).not.toContain("planted-secret");
    expect(calls).toBe(2);
  });

  test.each([
    ["a ghost of another version", '{"v":9,"renewalId":"ghost","generation":1,"fence":1}', "v: expected 1"],
    ["a hostile field", '{"v":1,"renewalId":"r","generation":1,"fence":1,"command":"rm"}', '"command": unknown field'],
    ["no object at all", '"x"', "payload: expected object"],
    ["eight megabytes", '{"v":1,"renewalId":"xxxxxxxx","generation":1,"fence":1}', "renewalId: Too big"],
  ])("drops %s with a word and goes on", async (_, data, message) => {
    const handled: string[] = [];
    // A job as a stranger with access to Redis would write it; then a good one.
    const inflate = "redis.call('HSET', KEYS[1], 'data', (string.gsub(ARGV[1], 'x', string.rep('x', 1000000))))";
    await server.command(
      "HSET",
      "{renewd}:issue:evil",
      "name",
      "issue",
      "data",
      data,
      "opts",
      '{"attempts":9}',
      "timestamp",
      "1",
      "priority",
      "0",
    );
    if (data.includes("xxxxxxxx")) await server.command("EVAL", inflate, "1", "{renewd}:issue:evil", data);
    await server.command("RPUSH", "{renewd}:issue:wait", "evil");
    const { errors } = work({ handle: async ({ renewalId }) => void handled.push(renewalId) });
    await queue.enqueue([issue("good")]);
    await expect.poll(() => handled, { timeout: 5_000 }).toEqual(["good"]);
    expect(errors).toEqual([
      {
        error: expect.objectContaining({ code: "request.invalid", message: expect.stringContaining(message) }),
        jobId: "evil",
      },
    ]);
    expect(await server.command("EXISTS", "{renewd}:issue:evil")).toBe("0");
  });

  test("goes on after a job that is not even JSON", async () => {
    const handled: string[] = [];
    await server.command(
      "HSET",
      "{renewd}:issue:evil",
      "name",
      "issue",
      "data",
      "{",
      "opts",
      "{}",
      "timestamp",
      "1",
      "priority",
      "0",
    );
    await server.command("RPUSH", "{renewd}:issue:wait", "evil");
    const { errors } = work({ handle: async ({ renewalId }) => void handled.push(renewalId) });
    await expect.poll(() => errors.length).toBe(1);
    await queue.enqueue([issue("good")]);
    await expect.poll(() => handled, { timeout: 10_000 }).toEqual(["good"]);
  });

  test("does not hammer a Redis that is out of memory, and resumes when there is some", async () => {
    const handled: string[] = [];
    await queue.enqueue([issue("a")]);
    await server.command("CONFIG", "SET", "maxmemory", "1");
    const { errors } = work({ handle: async ({ renewalId }) => void handled.push(renewalId) });
    await expect.poll(() => errors.length).toBeGreaterThan(0);
    expect(errors[0]?.error).toMatchObject({
      code: "queue.unavailable",
      message: expect.stringContaining("reports: OOM"),
    });
    const calls = async (): Promise<number> =>
      Number(/cmdstat_evalsha:calls=(\d+)/.exec(await server.command("INFO", "commandstats"))?.[1] ?? 0);
    const begun = performance.now();
    const before = await calls();
    // Three pauses long.
    await expect.poll(() => performance.now() - begun, { timeout: 10_000 }).toBeGreaterThan(3_000);
    expect((await calls()) - before).toBeLessThan(30);
    await server.command("CONFIG", "SET", "maxmemory", "0");
    await expect.poll(() => handled, { timeout: 5_000 }).toEqual(["a"]);
  });

  test("aborts the handler when its lock is lost, as by FLUSHALL", async () => {
    const { started, ended, handle } = endless();
    work({ handle });
    await queue.enqueue([issue("a")]);
    await expect.poll(() => started).toEqual(["a"]);
    await server.flushall();
    await expect.poll(() => ended, { timeout: 10_000 }).toEqual([expect.objectContaining({ code: "lease.lost" })]);
    // And takes new work.
    await queue.enqueue([issue("b")]);
    await expect.poll(() => started, { timeout: 10_000 }).toEqual(["a", "b"]);
  });
});

describe("closing", () => {
  test("lets running handlers finish and takes nothing new", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const started: string[] = [];
    const { worker } = work({
      drainTimeoutMs: 10_000,
      handle: async ({ renewalId }) => {
        started.push(renewalId);
        await promise;
      },
    });
    await queue.enqueue([issue("a"), issue("b")]);
    await expect.poll(() => started).toEqual(["a"]);
    const closed = worker.close();
    resolve();
    await closed;
    expect(started).toEqual(["a"]);
    expect(await server.command("ZCARD", "{renewd}:issue:prioritized")).toBe("1");
    expect(await server.command("EXISTS", "{renewd}:issue:issue-a-1")).toBe("0");
  });

  test("aborts handlers after the drain time and gives their jobs to the next worker at once", async () => {
    const first = endless();
    const second = endless();
    const { worker } = work({ handle: first.handle });
    await queue.enqueue([issue("a")]);
    await expect.poll(() => first.started).toEqual(["a"]);
    await worker.close();
    expect(first.ended).toEqual([expect.objectContaining({ code: "lease.lost" })]);
    work({ handle: second.handle });
    await expect.poll(() => second.started, { timeout: 3_000 }).toEqual(["a"]);
  });

  test.each(["idle", "busy with a deaf handler"])("takes less than 10 s with Redis down, %s", async (state) => {
    const started: string[] = [];
    const { worker } = work({
      drainTimeoutMs: 5_000,
      handle: async ({ renewalId }) => {
        started.push(renewalId);
        await new Promise(() => {});
      },
    });
    await worker.ready();
    if (state !== "idle") {
      await queue.enqueue([issue("a")]);
      await expect.poll(() => started).toEqual(["a"]);
    }
    await server.kill();
    const begun = performance.now();
    await worker.close();
    expect(performance.now() - begun).toBeLessThan(state === "idle" ? 4_000 : 10_000);
  });

  test("works before Redis was ever reached", async () => {
    await server.stop();
    const { worker, errors } = work({ handle: async () => {} });
    await expect.poll(() => errors.length).toBe(1);
    const begun = performance.now();
    await worker.close();
    expect(performance.now() - begun).toBeLessThan(5_000);
    expect(errors[0]?.error.message).toContain(`The queue in Redis at ${server.path} reports: connect E`);
  });
});
