import { type RenewalError, toRenewalError } from "../domain/errors.ts";
import { isStoreAway } from "../domain/errorTable.ts";
import type { Job } from "../domain/queue.ts";
import { deployQueue, QUEUES, verifyQueue } from "./names.ts";
import type { RedisOptions } from "./options.ts";
import { parseJob } from "./payload.ts";
import { type Processing, PutBack, startProcessing } from "./processing.ts";

export interface WorkerOptions {
  readonly redis: RedisOptions;
  readonly kind: Job["kind"];
  /** Take the deployments of this target alone, from its own queue. */
  readonly agentOf?: string;
  /** Take the verifications of this vantage alone, from its own queue. */
  readonly vantage?: string;
  readonly concurrency: number;
  /** Default 5 s. */
  readonly drainTimeoutMs?: number;
  /**
   * MUST be idempotent: a job may be delivered twice. Its signal aborts when the job is taken over or the worker shuts
   * down.
   */
  readonly handle: (job: Job, signal: AbortSignal) => Promise<void>;
  /**
   * Resolves once what every job needs answers. Called after a handler threw `store.unavailable`: until then no job is
   * taken, and this one goes back, because a worker that lost the database alone must not use up everybody's jobs.
   * Default: at once.
   */
  readonly isReady?: () => Promise<unknown>;
  /** Failed handlers, dropped jobs (with the job's id), trouble with Redis. */
  readonly onError: (error: RenewalError, jobId?: string) => void;
}

/**
 * Handles one kind of job. A job is only a hint: it leaves Redis however it ends, and the database decides what is
 * retried.
 */
export function startWorker(options: WorkerOptions): Processing {
  const { kind, agentOf, vantage, handle, onError, isReady = async () => {}, ...rest } = options;
  const origin = { agent: agentOf !== undefined, vantage: vantage ?? null };
  const processing: Processing = startProcessing({
    ...rest,
    queue: queueOf(options),
    keep: { count: 0 },
    onError,
    async process(queued, signal) {
      try {
        await handle(parseJob(kind, queued.data, queued.priority, origin), signal);
      } catch (error) {
        onError(toRenewalError(error), queued.id);
        if (isStoreAway(toRenewalError(error).code)) {
          await processing.rest(isReady);
          throw new PutBack("the database is away");
        }
        // Otherwise not rethrown: BullMQ would write the message to Redis, and the database already knows.
        if (signal.aborted) throw signal.reason;
      }
    },
  });
  return processing;
}

function queueOf({ kind, agentOf, vantage }: Pick<WorkerOptions, "kind" | "agentOf" | "vantage">): string {
  if (agentOf !== undefined) return deployQueue(agentOf);
  return vantage === undefined ? QUEUES[kind] : verifyQueue(vantage);
}
