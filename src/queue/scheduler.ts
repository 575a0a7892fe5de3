import type { Queue } from "bullmq";
import { type RenewalError, toRenewalError } from "../domain/errors.ts";
import { connectProducer } from "./connection.ts";
import { QUEUES } from "./names.ts";
import type { RedisOptions } from "./options.ts";
import { type Processing, startProcessing } from "./processing.ts";
import { openQueue } from "./producer.ts";
import { reportTrouble } from "./report.ts";

const REASSERT_MS = 5_000;

export interface SchedulerOptions {
  readonly redis: RedisOptions;
  readonly tickMs: number;
  readonly sweepMs: number;
  /** Default 5 s. */
  readonly drainTimeoutMs?: number;
  readonly handle: (what: "plan" | "sweep", signal: AbortSignal) => Promise<void>;
  readonly onError: (error: RenewalError) => void;
}

export interface Scheduler extends Pick<Processing, "ready" | "close"> {
  setTimes(times: Pick<SchedulerOptions, "tickMs" | "sweepMs">): void;
}

/** Any number of planners may run it: each tick of the shared schedule is handled by one of them. */
export function startScheduler(options: SchedulerOptions): Scheduler {
  const { redis, tickMs, sweepMs, handle, onError, ...rest } = options;
  const busy = new Set<string>();
  const processing = startProcessing({
    ...rest,
    redis,
    queue: QUEUES.plan,
    // One plan and one sweep.
    concurrency: 2,
    keep: { count: 0 },
    onError,
    async process({ name }, signal) {
      // The next tick makes up for one that comes too early; a long plan must not take the sweep's place.
      if ((name !== "plan" && name !== "sweep") || busy.has(name)) return;
      busy.add(name);
      try {
        await handle(name, signal);
      } catch (error) {
        onError(toRenewalError(error));
        if (signal.aborted) throw signal.reason;
      } finally {
        busy.delete(name);
      }
    },
  });
  const schedule = keepScheduled(redis, { plan: tickMs, sweep: sweepMs }, reportTrouble(redis, onError));
  return {
    ready: () => processing.ready(),
    setTimes: (times) => schedule.change({ plan: times.tickMs, sweep: times.sweepMs }),
    async close() {
      schedule.stop();
      await processing.close();
    },
  };
}

/**
 * FLUSHALL or a fresh Redis removes job schedulers without an error, so they are asserted again and again; an existing
 * one keeps its next instant.
 */
function keepScheduled(
  redis: RedisOptions,
  initialMs: Record<"plan" | "sweep", number>,
  report: (error: unknown) => void,
): { change(everyMs: Record<"plan" | "sweep", number>): void; stop(): void } {
  let everyMs = initialMs;
  const connection = connectProducer(redis);
  const queue = openQueue(QUEUES.plan, redis, connection);
  const stop = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const assert = async (): Promise<void> => {
    try {
      await connection.run(async () => {
        await upsert(queue, "plan", everyMs.plan);
        await upsert(queue, "sweep", everyMs.sweep);
      }, stop.signal);
    } catch (error) {
      if (!stop.signal.aborted) report(error);
    }
    if (!stop.signal.aborted) timer = setTimeout(assert, REASSERT_MS);
  };
  let asserting = assert();
  return {
    change(next) {
      if (next.plan === everyMs.plan && next.sweep === everyMs.sweep) return;
      everyMs = next;
      asserting = asserting.then(() => {
        clearTimeout(timer);
        if (!stop.signal.aborted) return assert();
      });
    },
    stop() {
      stop.abort();
      clearTimeout(timer);
      connection.disconnect();
    },
  };
}

async function upsert(queue: Queue, what: "plan" | "sweep", every: number): Promise<void> {
  await queue.upsertJobScheduler(
    what,
    { every },
    { name: what, data: {}, opts: { attempts: 1, removeOnComplete: { count: 0 }, removeOnFail: { count: 0 } } },
  );
}
