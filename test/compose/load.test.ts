import { expect, it, onTestFinished } from "vitest";
import { type ConcurrencyChange, watchLoad } from "../../src/compose/load.ts";
import { openJobQueue } from "../../src/queue/producer.ts";
import { startWorker } from "../../src/queue/worker.ts";
import { startRedis } from "../support/servers/redis.ts";
import { until } from "../support/until.ts";

const LEASE_MS = 1_000;
const MAX = 8;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Keeps the event loop busy, as JavaScript that computes does. */
function block(forMs: number): void {
  const end = performance.now() + forMs;
  while (performance.now() < end);
}

it("a worker whose event loop is blocked takes fewer jobs at a time, and all again once it is free", async () => {
  const server = await startRedis();
  const redis = { kind: "single", url: server.url } as const;
  const queue = openJobQueue(redis);
  let running = 0;
  const worker = startWorker({
    redis,
    kind: "issue",
    concurrency: MAX,
    async handle(_, signal) {
      const ended = await watched.admit(signal);
      running += 1;
      await new Promise((resolve) => setTimeout(resolve, 50));
      running -= 1;
      ended();
    },
    onError: () => {},
  });
  const changes: ConcurrencyChange[] = [];
  const onChange = (change: ConcurrencyChange) => void changes.push(change);
  const load = watchLoad({ leaseMs: LEASE_MS, sampleMs: 100, steadyMs: 200, log: silent, onChange });
  onTestFinished(async () => {
    load.close();
    await worker.close();
    await queue.close();
    await server[Symbol.asyncDispose]();
  });
  let allowed = MAX;
  /** The most that was allowed since it was last set. */
  let highest = MAX;
  const setConcurrency = (jobs: number): void => {
    allowed = jobs;
    highest = Math.max(highest, jobs);
    worker.setConcurrency(jobs);
  };
  const watched = load.watch({ kind: "issue", max: MAX, setConcurrency });
  let next = 0;
  const enqueue = async (jobs: number): Promise<void> => {
    await queue.enqueue(
      Array.from({ length: jobs }, () => {
        next += 1;
        return { kind: "issue" as const, renewalId: `r${next}`, generation: 1, fence: 1, priority: 1 };
      }),
    );
  };

  await until("few jobs at a time", async () => {
    block(LEASE_MS / 4);
    return allowed <= 2 ? allowed : null;
  });
  expect(changes, "nothing ran that could have been too much").toEqual([]);
  // What the number says is what BullMQ does.
  let most = 0;
  const few = allowed;
  highest = few;
  await enqueue(few + 6);
  await until("jobs to run", async () => {
    most = Math.max(most, running);
    block(LEASE_MS / 4);
    return most > 0 ? most : null;
  });
  // It may have been raised by a step meanwhile, but never to all at once.
  expect(most).toBeLessThanOrEqual(highest);
  expect(highest).toBeLessThan(MAX);
  await until("word of it", async () => {
    block(LEASE_MS / 4);
    return changes[0] ?? null;
  });
  expect(changes).toEqual([{ kind: "issue", jobs: expect.any(Number), max: MAX }]);
  expect(changes[0]?.jobs).toBeLessThan(MAX);

  await until("as many as configured", async () => (allowed === MAX ? allowed : null));
  await until("word of that", async () => changes.at(-1)?.jobs === MAX || null);
  await enqueue(3 * MAX);
  await until("more jobs at a time than before", async () => (running > few ? running : null));
});

it("leases that are renewed late, or run out, lower it as well, although the loop is free", async () => {
  const load = watchLoad({ leaseMs: LEASE_MS, sampleMs: 50, log: silent, onChange: () => {} });
  onTestFinished(() => load.close());
  let allowed = 8;
  const watched = load.watch({
    kind: "deploy",
    max: 8,
    setConcurrency: (jobs) => {
      allowed = jobs;
    },
  });
  load.leaseRenewed(600);
  load.leaseRenewed(0);
  load.leaseRenewed(600);
  await until("half of the jobs", async () => (allowed === 4 ? allowed : null));
  watched.end();
});

it("a worker at its limit, which takes fewer and more by turns, says so once", async () => {
  const lines: string[] = [];
  const changes: ConcurrencyChange[] = [];
  const log = { ...silent, warn: (_: object, line: string) => lines.push(line) };
  const onChange = (change: ConcurrencyChange) => void changes.push(change);
  const load = watchLoad({ leaseMs: LEASE_MS, sampleMs: 20, steadyMs: 600_000, log, onChange });
  onTestFinished(() => load.close());
  let allowed = 8;
  const setConcurrency = (jobs: number): void => {
    allowed = jobs;
  };
  const watched = load.watch({ kind: "deploy", max: 8, setConcurrency });
  const ended = await watched.admit(new AbortController().signal);
  for (let turn = 0; turn < 3; turn += 1) {
    await until("fewer jobs", async () => {
      load.leaseRenewed(0);
      return allowed < 8 || null;
    });
    await until("all of them", async () => allowed === 8 || null);
  }
  ended();
  expect(changes).toEqual([{ kind: "deploy", jobs: 4, max: 8 }]);
  // Once for each number that was lower than all before.
  expect(lines.length).toBeLessThanOrEqual(4);
  watched.end();
});

it("a job waits before it claims anything while as many run as the worker may take now", async () => {
  const load = watchLoad({ leaseMs: LEASE_MS, sampleMs: 50, log: silent, onChange: () => {} });
  onTestFinished(() => load.close());
  let allowed = 2;
  const watched = load.watch({
    kind: "deploy",
    max: 2,
    setConcurrency: (jobs) => {
      allowed = jobs;
    },
  });
  const { signal } = new AbortController();
  const first = await watched.admit(signal);
  load.leaseRenewed(0);
  await until("one job at a time", async () => (allowed === 1 ? allowed : null));
  const begun: string[] = [];
  const interrupted = new AbortController();
  const gone = watched.admit(interrupted.signal);
  const second = watched.admit(signal).then((ended) => {
    begun.push("second");
    return ended;
  });
  interrupted.abort(new Error("shut down"));
  await expect(gone).rejects.toThrow("shut down");
  // Kept busy, so that it does not take more meanwhile.
  load.leaseRenewed(0);
  expect(begun).toEqual([]);
  first();
  (await second)();
  expect(begun).toEqual(["second"]);
  watched.end();
});

it("what need not begin is admitted only where a job could begin at once, and counts as one", async () => {
  const load = watchLoad({ leaseMs: LEASE_MS, log: silent, onChange: () => {} });
  onTestFinished(() => load.close());
  const watched = load.watch({ kind: "verify", max: 2, setConcurrency: () => {} });
  const { signal } = new AbortController();
  const job = await watched.admit(signal);
  const beside = watched.tryAdmit();
  expect(beside).not.toBeNull();
  expect(watched.tryAdmit()).toBeNull();
  const waits = watched.admit(signal);
  // The job that waits goes before what comes now.
  beside?.();
  expect(watched.tryAdmit()).toBeNull();
  (await waits)();
  job();
  expect(watched.tryAdmit()).not.toBeNull();
  watched.end();
  expect(watched.tryAdmit()).toBeNull();
});

it("an idle worker goes back to its first number, so that a wave of work does not find it with all at once", async () => {
  const load = watchLoad({ leaseMs: LEASE_MS, sampleMs: 20, log: silent, onChange: () => {} });
  onTestFinished(() => load.close());
  const allowed: number[] = [];
  const watched = load.watch({ kind: "deploy", max: 64, setConcurrency: (jobs) => void allowed.push(jobs) });
  const { signal } = new AbortController();
  const ends = await Promise.all(Array.from({ length: 8 }, () => watched.admit(signal)));
  await until("more jobs at a time", async () => ((allowed.at(-1) ?? 0) > 8 ? true : null));
  for (const end of ends) end();
  await until("as many as at first", async () => (allowed.at(-1) === 8 ? true : null));
  watched.end();
});
