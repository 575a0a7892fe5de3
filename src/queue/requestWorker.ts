import { type Job as QueuedJob, UnrecoverableError } from "bullmq";
import { RenewalError, toRenewalError } from "../domain/errors.ts";
import { QUEUES } from "./names.ts";
import type { RedisOptions } from "./options.ts";
import { parseRequest, type RenewalRequest } from "./payload.ts";
import { type Processing, startProcessing } from "./processing.ts";
import { UNREADABLE } from "./repair.ts";
import type { AcceptedRequest } from "./requests.ts";

/** Producers in any language read results from Redis: this many of each outcome stay. */
const KEEP = { count: 1_000 };

/** A refused payload larger than this is not kept with its failure. */
const REFUSED_BYTES_MAX = 4_096;

export interface RequestOrigin {
  readonly jobId: string;
  /** ms since epoch, by its sender's clock. */
  readonly queuedAt: number;
}

export interface RequestWorkerOptions {
  readonly redis: RedisOptions;
  /** Default 5 s. */
  readonly drainTimeoutMs?: number;
  /**
   * Records the renewal and returns its id. MUST return the same renewal when the same request is delivered twice.
   * Other producers' job ids start again after data loss: never key history by them.
   */
  readonly handle: (request: RenewalRequest, from: RequestOrigin) => Promise<AcceptedRequest>;
  readonly onError: (error: RenewalError, jobId?: string) => void;
}

/** Answers `renewal-requests`. A job fails with `<code>: <message>`, written for the sender, and is never retried. */
export function startRequestWorker(options: RequestWorkerOptions): Processing {
  const { handle, onError, ...rest } = options;
  return startProcessing({
    ...rest,
    queue: QUEUES.requests,
    concurrency: 4,
    keep: KEEP,
    onError,
    async process(queued) {
      const jobId = queued.id ?? "";
      try {
        const request = await parsed(queued);
        const { renewalId, hurried } = await handle(request, { jobId, queuedAt: queued.timestamp });
        return { renewalId, ...(hurried === true && { hurried }) };
      } catch (error) {
        onError(toRenewalError(error), jobId);
        throw refusal(error);
      }
    },
  });
}

async function parsed(queued: QueuedJob): Promise<RenewalRequest> {
  try {
    return parseRequest(queued.data);
  } catch (error) {
    const bytes = Buffer.byteLength(JSON.stringify(queued.data) ?? "");
    if (bytes > REFUSED_BYTES_MAX) await queued.updateData({ dropped: `${bytes} bytes` });
    // What is kept with the refusal must be readable for those who ask for it.
    if (JSON.stringify(queued.data) === UNREADABLE) await queued.updateData(queued.data);
    throw error;
  }
}

/**
 * UnrecoverableError: no retry, even when the producer asked for attempts. A foreign error's text may hold anything, so
 * it stays in the log.
 */
function refusal(error: unknown): UnrecoverableError {
  const refused = new UnrecoverableError(
    error instanceof RenewalError
      ? `${error.code}: ${error.message}`
      : "internal.bug: renewd failed to handle this request: see its log",
  );
  // BullMQ stores the stack in Redis; the message says it all.
  refused.stack = refused.message;
  return refused;
}
