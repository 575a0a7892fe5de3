// A worker process for takeover.test.ts: takes one job, says so, and never finishes it. SIGTERM closes everything it
// opened.
import { openJobQueue } from "../../src/queue/producer.ts";
import { startScheduler } from "../../src/queue/scheduler.ts";
import { startWorker } from "../../src/queue/worker.ts";

const redis = { kind: "single", path: process.argv[2] ?? "" } as const;
const onError = (error: Error): void => void process.stderr.write(`${error.message}\n`);
const queue = openJobQueue(redis);
const scheduler = startScheduler({ redis, tickMs: 60_000, sweepMs: 60_000, handle: async () => {}, onError });
const worker = startWorker({
  redis,
  kind: "issue",
  concurrency: 1,
  drainTimeoutMs: 2_000,
  handle: async ({ renewalId }) => {
    process.stdout.write(`${renewalId}\n`);
    await new Promise(() => {});
  },
  onError,
});
process.once("SIGTERM", () => void Promise.all([queue.close(), scheduler.close(), worker.close()]));
