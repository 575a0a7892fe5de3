import { setTimeout as delay } from "node:timers/promises";
import { type JobJson, type KeepJobs, type Job as QueuedJob, WaitingError, Worker, type WorkerOptions } from "bullmq";
import type { Cluster, Redis } from "ioredis";
import { raceAbort } from "../domain/abort.ts";
import { RenewalError } from "../domain/errors.ts";
import { Stopping } from "../domain/stopping.ts";
import { connectWorker, type RedisConnection } from "./connection.ts";
import { isReply } from "./failure.ts";
import { prefixOf, type RedisOptions } from "./options.ts";
import { isOwnKey, isReadable, repairQueue, UNREADABLE } from "./repair.ts";
import { reportTrouble } from "./report.ts";

/** Taken over at the latest after both together (BullMQ's defaults took 59 s after kill -9). */
const LOCK_DURATION_MS = 10_000;
const STALLED_INTERVAL_MS = 4_000;

/** After the drain: for aborted handlers to end, and again for BullMQ to report to Redis. */
const SETTLE_MS = 1_000;
const DISCONNECT_MS = 500;

/**
 * BullMQ's default of 5 s asks an idle queue twice as often. A job that is added ends the wait at once; connections are
 * given up after a silence that is longer (connection.ts).
 */
const IDLE_BLOCK_S = 10;

const REFUSED_PAUSE_MS = 1_000;

const REST_POLL_MS = 1_000;

/** Thrown by `process`: another worker, or this one later, is to take the job. */
export class PutBack extends Error {}

export interface ProcessingOptions {
  readonly redis: RedisOptions;
  readonly queue: string;
  readonly concurrency: number;
  /**
   * How many finished jobs stay readable. Always a count: the boolean form never removes jobs from the active list
   * (BullMQ 6.7).
   */
  readonly keep: KeepJobs;
  /** How long `close` lets running handlers work on; then it aborts their signals. */
  readonly drainTimeoutMs?: number;
  /**
   * Throwing `PutBack` puts the job back. All else that it returns or throws is stored in Redis as the job's result.
   * After its signal has aborted it must throw if it did not finish.
   */
  readonly process: (job: QueuedJob, signal: AbortSignal) => Promise<unknown>;
  readonly onError: (error: RenewalError) => void;
}

export interface Processing {
  /** Resolves once Redis was reached and jobs are being taken. */
  ready(): Promise<void>;
  /** How many jobs run at a time from now on, at least 1; what runs already goes on. */
  setConcurrency(jobs: number): void;
  /**
   * Runs work that did not come from the queue in place of one of its jobs, with a signal as for those: it is waited for
   * when this closes, and aborted like them.
   */
  runBeside(work: (signal: AbortSignal) => Promise<void>): void;
  /**
   * Takes no more jobs until `isReady` resolves; a job that is put back meanwhile stays in Redis. Asked again each
   * second while it rejects.
   */
  rest(isReady: () => Promise<unknown>): Promise<void>;
  /** Takes no more jobs and lets running ones finish; returns within `drainTimeoutMs` + 3 s in any case. */
  close(): Promise<void>;
}

/**
 * Takes jobs of one queue. The options with which BullMQ neither loses nor keeps anything are set here, once.
 * A Redis outage alone does not stop running handlers: leases and fences in the database guard their side effects.
 */
export function startProcessing(options: ProcessingOptions): Processing {
  const { redis, drainTimeoutMs = 5_000 } = options;
  const connection = connectWorker(redis);
  const report = reportTrouble(redis, options.onError);
  const running = new Map<AbortController, Promise<unknown>>();
  let concurrency = options.concurrency;
  let beside = 0;
  let closing: Promise<void> | null = null;

  let repairing: Promise<void> | null = null;
  const repair = (): Promise<void> => {
    repairing ??= repairQueue(connection.client, prefixOf(redis), options.queue)
      .then((done) => {
        for (const what of new Set(done)) report(new RenewalError("request.invalid", what));
      })
      .catch(report)
      .finally(() => {
        repairing = null;
      });
    return repairing;
  };

  // BullMQ makes a signal only for a processor that declares three parameters.
  const processor = async (
    job: QueuedJob,
    token: string | undefined,
    lockSignal: AbortSignal | undefined,
  ): Promise<unknown> => {
    // Before any job is finished: BullMQ would lose it half-way where a list or set of its own is gone.
    if (isOwnKey(job.id)) await repair();
    else await repairing;
    // Fetched while closing.
    if (closing !== null) return await giveBack(job, token);
    const controller = new AbortController();
    lockSignal?.addEventListener("abort", () =>
      controller.abort(new RenewalError("lease.lost", "Another worker may have taken this job over")),
    );
    const work = options.process(job, controller.signal);
    running.set(controller, work);
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof PutBack) && (closing === null || !controller.signal.aborted)) throw error;
      return await giveBack(job, token);
    } finally {
      running.delete(controller);
    }
  };

  const worker = new TolerantWorker(options.queue, processor, {
    ...workerOptions(options),
    connection: connection.client,
  });
  // Refused (out of memory, a replica, a full disk), BullMQ asks again at once, thousands of times a second.
  let pausing: NodeJS.Timeout | undefined;
  let resting: Promise<void> | null = null;
  const stopped = new AbortController();
  worker.on("error", (error) => {
    report(error);
    if (asksForRepair(error)) void repair();
    if (!isReply(error) || worker.isPaused() || closing !== null) return;
    worker.pause(true).catch(report);
    pausing = setTimeout(() => {
      if (resting === null) void Promise.try(() => worker.resume()).catch(report);
    }, REFUSED_PAUSE_MS);
  });
  // Losing the lock does not stop the handler by itself.
  worker.on("lockRenewalFailed", (jobIds: string[]) => {
    for (const jobId of jobIds) worker.cancelJob(jobId, "lock lost");
  });

  /** Jobs that this process could not begin at once are left to others; one is, so that the most urgent comes next. */
  const share = (): void => {
    const before = worker.concurrency;
    worker.concurrency = Math.max(1, concurrency - beside);
    // In the next turn: a job that BullMQ has just fetched is not among those that run.
    if (worker.concurrency > before) setImmediate(wake);
  };
  /** BullMQ sees that it may take more only when one of its jobs ends, half an hour from now perhaps; or when it resumes. */
  const wake = (): void => {
    if (running.size <= beside || worker.isPaused() || closing !== null) return;
    // At once: BullMQ never takes a job again if the last one ends just while it is paused.
    worker.pause(true).catch(report);
    worker.resume().catch(report);
  };

  return {
    async ready() {
      await worker.waitUntilReady();
    },
    setConcurrency(jobs) {
      concurrency = jobs;
      share();
    },
    runBeside(work) {
      const controller = new AbortController();
      if (closing !== null) controller.abort(new Stopping());
      beside += 1;
      share();
      const ended = work(controller.signal).finally(() => {
        running.delete(controller);
        beside -= 1;
        share();
      });
      running.set(controller, ended);
    },
    async rest(isReady) {
      const paused = worker.pause(true);
      resting ??= paused
        .then(() => untilReady(isReady, stopped.signal))
        .finally(() => {
          resting = null;
          if (closing === null) worker.resume();
        })
        .catch((thrown: unknown) => {
          if (closing === null) report(thrown);
        });
      await paused;
    },
    close() {
      stopped.abort();
      clearTimeout(pausing);
      closing ??= shutDown({ worker, connection, running, report }, drainTimeoutMs);
      return closing;
    },
  };
}

/** BullMQ reads a job before its processor can refuse it, and would read one that is not JSON again and again. */
class TolerantWorker extends Worker {
  protected override createJob(data: JobJson, jobId: string): QueuedJob {
    return super.createJob(isReadable(data.data) ? data : { ...data, data: UNREADABLE }, jobId);
  }
}

/** A job in place of one of the queue's own keys, or one whose options are not JSON. */
function asksForRepair(error: unknown): boolean {
  return error instanceof SyntaxError || (error instanceof Error && error.message.includes("WRONGTYPE"));
}

function workerOptions({ redis, concurrency, keep }: ProcessingOptions): Omit<WorkerOptions, "connection"> {
  return {
    prefix: prefixOf(redis),
    concurrency,
    lockDuration: LOCK_DURATION_MS,
    stalledInterval: STALLED_INTERVAL_MS,
    drainDelay: IDLE_BLOCK_S,
    // A job whose worker died many times is poison, but the database is to find that, not BullMQ.
    maxStalledCount: 1_000_000,
    // The default of 15 s would be the time to resume after an outage.
    runRetryDelay: 500,
    removeOnComplete: keep,
    removeOnFail: keep,
    ...(redis.telemetry && { telemetry: redis.telemetry }),
  };
}

interface Running {
  readonly worker: Worker;
  readonly connection: RedisConnection;
  readonly running: ReadonlyMap<AbortController, Promise<unknown>>;
  readonly report: (error: unknown) => void;
}

async function shutDown({ worker, connection, running, report }: Running, drainTimeoutMs: number): Promise<void> {
  const drained = (): Promise<unknown> => Promise.allSettled(running.values());
  // Not BullMQ's close() yet: without Redis it never returns, and once begun it cannot be forced.
  await worker.pause(true);
  await within(drainTimeoutMs, drained());
  for (const controller of running.keys()) controller.abort(new Stopping());
  await within(SETTLE_MS, drained());
  const forced = running.size > 0 || !(await answers(connection.client));
  const closed = worker.close(forced).catch(report);
  await within(SETTLE_MS, closed);
  connection.disconnect();
  await within(DISCONNECT_MS, closed);
}

async function untilReady(isReady: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return void (await raceAbort(signal, isReady));
    } catch {
      // Reported where it was found.
      await delay(REST_POLL_MS, undefined, { signal });
    }
  }
}

/** Back to the queue at once, for another worker, rather than when its lock expires. */
async function giveBack(job: QueuedJob, token: string | undefined): Promise<never> {
  await job.moveToWait(token);
  throw new WaitingError();
}

/** A connection may still look ready for a moment after Redis died. */
async function answers(client: Redis | Cluster): Promise<boolean> {
  if (client.status !== "ready") return false;
  const ping = client.ping().then(Boolean, () => false);
  return await Promise.race([ping, delay(DISCONNECT_MS, false)]);
}

async function within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  const timer = new AbortController();
  await Promise.race([work, delay(timeoutMs, undefined, { signal: timer.signal }).catch(() => {})]);
  timer.abort();
}
