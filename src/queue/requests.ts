import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { RenewalError } from "../domain/errors.ts";
import { isErrorCode } from "../domain/errorTable.ts";
import { connectProducer } from "./connection.ts";
import { QUEUES } from "./names.ts";
import { describeRedis, type RedisOptions } from "./options.ts";
import { parseRequest, type RenewalRequest } from "./payload.ts";
import { openQueue } from "./producer.ts";

const POLL_MS = 200;
const JOB_ID_PREFIX = "request-";
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What a planner answers to a request. */
export interface AcceptedRequest {
  readonly renewalId: string;
  /** A renewal in flight that waited makes its next attempt now. */
  readonly hurried?: boolean;
}

/**
 * The id that renewd gave its own request; null: another producer's job id, which may name another request tomorrow.
 */
export function requestIdOf(jobId: string): string | null {
  const id = jobId.startsWith(JOB_ID_PREFIX) ? jobId.slice(JOB_ID_PREFIX.length) : "";
  return UUID.test(id) ? id : null;
}

/**
 * Adds a request to `renewal-requests`. Throws `request.invalid` naming the field, `queue.unavailable` within 2 s:
 * Redis may have taken it all the same, so a caller that then records it elsewhere must use the same `requestId`.
 */
export async function requestRenewal(
  redis: RedisOptions,
  payload: RenewalRequest,
  requestId: string = randomUUID(),
  signal?: AbortSignal,
): Promise<{ jobId: string }> {
  const request = parseRequest(payload);
  // Unlike BullMQ's counter, which starts again after data loss, this id never names two requests.
  const jobId = `${JOB_ID_PREFIX}${requestId}`;
  const connection = connectProducer(redis);
  try {
    const queue = openQueue(QUEUES.requests, redis, connection);
    await connection.run(() => queue.add("renew", request, { jobId }), signal);
    return { jobId };
  } finally {
    connection.disconnect();
  }
}

/**
 * Waits until a planner has accepted the request. Throws what the planner refused it with, `queue.unanswered` when
 * nobody has taken it in time (it stays queued), `queue.unavailable` when Redis lost it.
 */
export async function waitForRequest(
  redis: RedisOptions,
  jobId: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<AcceptedRequest> {
  const connection = connectProducer(redis);
  try {
    const queue = openQueue(QUEUES.requests, redis, connection);
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const job = await connection.run(() => queue.getJob(jobId), signal);
      if (job === undefined) {
        throw new RenewalError(
          "queue.unavailable",
          `Redis at ${describeRedis(redis)} no longer knows request ${jobId}: its data was lost; request again`,
        );
      }
      if (job.finishedOn !== undefined) return resultOf(jobId, job.returnvalue, job.failedReason);
      if (performance.now() >= deadline) {
        throw new RenewalError(
          "queue.unanswered",
          `no planner took request ${jobId} within ${timeoutMs / 1_000} s; the request stays queued`,
        );
      }
      await delay(POLL_MS, undefined, { signal });
    }
  } finally {
    connection.disconnect();
  }
}

function resultOf(jobId: string, returned: unknown, failedReason: string | undefined): AcceptedRequest {
  if (
    typeof returned === "object" &&
    returned !== null &&
    "renewalId" in returned &&
    typeof returned.renewalId === "string"
  ) {
    const hurried = "hurried" in returned && returned.hurried === true;
    return { renewalId: returned.renewalId, ...(hurried && { hurried }) };
  }
  // As written by requestWorker.ts: `<code>: <message>`.
  const [, code = "", message = ""] = /^([a-z]+\.[A-Za-z]+): (.*)$/s.exec(failedReason ?? "") ?? [];
  if (isErrorCode(code)) throw new RenewalError(code, message);
  throw new RenewalError("internal.bug", `Request ${jobId} failed: ${failedReason ?? "no result"}`);
}
