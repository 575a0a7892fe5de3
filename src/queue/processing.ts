import { setTimeout as delay } from "node:timers/promises";
import { type KeepJobs, type Job as QueuedJob, WaitingError, Worker } from "bullmq";
import { RenewalError } from "../domain/errors.ts";
import { connectWorker } from "./connection.ts";
import { prefixOf, type RedisOptions } from "./options.ts";
import { reportTrouble } from "./report.ts";

/** Taken over at the latest after both together (BullMQ's defaults took 59 s after kill -9). */
const LOCK_DURATION_MS = 10_000;
const STALLED_INTERVAL_MS = 4_000;

/** After the drain: for aborted handlers to end and BullMQ to tell Redis. */
const SETTLE_MS = 2_000;
const DISCONNECT_MS = 500;

export interface ProcessingOptions {
  readonly redis: RedisOptions;
  readonly queue: string;
  readonly concurrency: number;
  /** How many finished jobs stay readable. Always a count: the boolean form leaves jobs active for ever (BullMQ 6.7). */
  readonly keep: KeepJobs;
  /** How long `close` lets running handlers work on; then it aborts their signals. */
  readonly drainTimeoutMs?: number;
  /** What it returns or throws is stored in Redis as the job's result. After its signal has aborted it must throw if it did not finish. */
  readonly process: (job: QueuedJob, signal: AbortSignal) => Promise<unknown>;
  readonly onError: (error: RenewalError) => void;
}

export interface Processing {
  /** Resolves once Redis was reached and jobs are being taken. */
  ready(): Promise<void>;
  /** Takes no more jobs and lets running ones finish; returns within `drainTimeoutMs` + 3 s whatever Redis or a handler does. */
  close(): Promise<void>;
}

/**
 * Takes jobs of one queue. What BullMQ must be told so that it neither loses nor keeps anything is told here, once.
 * A Redis outage alone does not stop running handlers: leases and fences in the database guard their side effects.
 */
export function startProcessing(options: ProcessingOptions): Processing {
  const { redis, drainTimeoutMs = 5_000 } = options;
  const connection = connectWorker(redis);
  const report = reportTrouble(redis, options.onError);
  const running = new Map<AbortController, Promise<unknown>>();
  let closing: Promise<void> | null = null;

  // BullMQ makes a signal only for a processor that declares three parameters.
  const processor = async (job: QueuedJob, token: string | undefined, lockSignal: AbortSignal | undefined): Promise<unknown> => {
    const controller = new AbortController();
    lockSignal?.addEventListener("abort", () => controller.abort(new RenewalError("lease.lost", "Another worker may have taken this job over")));
    const work = options.process(job, controller.signal);
    running.set(controller, work);
    try {
      return await work;
    } catch (error) {
      if (closing === null || !controller.signal.aborted) throw error;
      // Aborted by shutdown, so unfinished: back to the queue at once rather than when its lock expires.
      await job.moveToWait(token);
      throw new WaitingError();
    } finally {
      running.delete(controller);
    }
  };

  const worker = new Worker(options.queue, processor, {
    connection: connection.client,
    prefix: prefixOf(redis),
    concurrency: options.concurrency,
    lockDuration: LOCK_DURATION_MS,
    stalledInterval: STALLED_INTERVAL_MS,
    // A job whose worker died many times is poison, but the database is to find that, not BullMQ.
    maxStalledCount: 1_000_000,
    // The default of 15 s would be the time to resume after an outage.
    runRetryDelay: 500,
    removeOnComplete: options.keep,
    removeOnFail: options.keep,
  });
  worker.on("error", report);
  // Losing the lock does not stop the handler by itself.
  worker.on("lockRenewalFailed", (jobIds: string[]) => {
    for (const jobId of jobIds) worker.cancelJob(jobId, "lock lost");
  });

  async function shutDown(): Promise<void> {
    const { client } = connection;
    const closed = worker.close().catch(report);
    // Without Redis BullMQ's own close waits for ever: then only the handlers are worth waiting for.
    const withoutRedis = new Promise<void>((resolve) => {
      if (client.status !== "ready") resolve();
      client.once("close", () => resolve());
    });
    await within(drainTimeoutMs, Promise.race([closed, withoutRedis.then(() => Promise.allSettled(running.values()))]));
    for (const controller of running.keys()) controller.abort(new RenewalError("lease.lost", "This worker is shutting down"));
    await within(SETTLE_MS, client.status === "ready" ? closed : Promise.allSettled(running.values()));
    connection.disconnect();
    await within(DISCONNECT_MS, closed);
  }

  return {
    async ready() {
      await worker.waitUntilReady();
    },
    close() {
      closing ??= shutDown();
      return closing;
    },
  };
}

async function within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  const timer = new AbortController();
  await Promise.race([work, delay(timeoutMs, undefined, { signal: timer.signal }).catch(() => {})]);
  timer.abort();
}
