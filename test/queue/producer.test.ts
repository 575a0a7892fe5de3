import { inspect } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Job } from "../../src/domain/queue.ts";
import type { RedisOptions } from "../../src/queue/options.ts";
import { openJobQueue } from "../../src/queue/producer.ts";
import { startWorker } from "../../src/queue/worker.ts";
import { type RedisServer, startRedis } from "../support/servers/redis.ts";

let server: RedisServer;
let redis: RedisOptions;
let queue: ReturnType<typeof openJobQueue>;

beforeEach(async () => {
  server = await startRedis();
  redis = { kind: "single", url: server.url };
  queue = openJobQueue(redis);
});

afterEach(async () => {
  await queue.close();
  await server[Symbol.asyncDispose]();
});

const issue = (renewalId: string, priority = 5): Job => ({
  kind: "issue",
  renewalId,
  generation: 1,
  fence: 1,
  priority,
});
const waiting = async (kind: string): Promise<number> =>
  Number(await server.command("ZCARD", `{renewd}:${kind}:prioritized`)) +
  Number(await server.command("LLEN", `{renewd}:${kind}:wait`));

test("the same work is queued once, other fences, targets and kinds apart", async () => {
  const deploy: Job = { ...issue("a"), kind: "deploy", target: "edge", agent: false };
  await queue.enqueue([
    issue("a"),
    issue("a"),
    { ...issue("a"), fence: 2 },
    deploy,
    deploy,
    { ...deploy, target: "core" },
    { ...issue("a"), kind: "verify", vantage: null },
  ]);
  await queue.enqueue([issue("a"), deploy]);
  expect([await waiting("issue"), await waiting("deploy"), await waiting("verify")]).toEqual([2, 2, 1]);
});

test("the same work can be queued again once it is done, and Redis keeps nothing of it", async () => {
  let handled = 0;
  const worker = startWorker({
    redis,
    kind: "issue",
    concurrency: 1,
    handle: async () => {
      handled++;
      if (handled === 2) throw new Error("failed once");
    },
    onError: () => {},
  });
  for (const round of [1, 2, 3]) {
    await queue.enqueue([issue("a")]);
    await expect.poll(() => handled).toBe(round);
    await expect.poll(() => server.command("EXISTS", "{renewd}:issue:issue-a-1")).toBe("0");
  }
  await worker.close();
});

test("the most urgent job comes first, whatever number urgency is", async () => {
  const priorities = [3_000_000, 9, 2.4, -5, Number.POSITIVE_INFINITY, 1];
  await queue.enqueue(priorities.map((priority, index) => issue(`r${index}`, priority)));
  const order: string[] = [];
  const worker = startWorker({
    redis,
    kind: "issue",
    concurrency: 1,
    handle: async ({ renewalId }) => void order.push(renewalId),
    onError: () => {},
  });
  await expect.poll(() => order.length).toBe(6);
  expect(order).toEqual(["r3", "r5", "r2", "r1", "r0", "r4"]);
  await worker.close();
});

test("a thousand jobs are queued in one call", async () => {
  await queue.enqueue(Array.from({ length: 1_000 }, (_, index) => issue(`r${index}`)));
  expect(await waiting("issue")).toBe(1_000);
});

test("with Redis down it fails within 2 s each time, and works again at once when Redis is back", async () => {
  await queue.enqueue([issue("before")]);
  await server.kill();
  for (const attempt of ["first", "second"]) {
    const started = performance.now();
    await expect(queue.enqueue([issue(attempt)])).rejects.toMatchObject({
      code: "queue.unavailable",
      message: expect.stringContaining(`Redis at ${server.path} is not reachable: `),
    });
    expect(performance.now() - started).toBeLessThan(2_000);
  }
  await server.restart();
  await queue.enqueue([issue("after")]);
  expect(await waiting("issue")).toBe(1);
});

test("a queue opened while Redis is down works once it is up", async () => {
  await server.stop();
  const late = openJobQueue(redis);
  await expect(late.enqueue([issue("a")])).rejects.toMatchObject({ code: "queue.unavailable" });
  await server.restart();
  await late.enqueue([issue("a")]);
  expect(await waiting("issue")).toBe(1);
  await late.close();
});

test("a Redis out of memory refuses by name, and the error holds no payload", async () => {
  await server.command("CONFIG", "SET", "maxmemory", "1");
  const error = await queue.enqueue([issue("renewal-in-the-payload")]).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: "queue.unavailable",
    message: expect.stringContaining("refused the command: OOM"),
  });
  expect(inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true })).not.toContain("renewal-in-the-payload");
});
