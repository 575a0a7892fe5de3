import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Queue } from "bullmq";
import { RenewalError } from "../domain/errors.ts";
import { isErrorCode } from "../domain/errorTable.ts";
import { connectProducer } from "./connection.ts";
import { QUEUES } from "./names.ts";
import { describeRedis, type RedisOptions } from "./options.ts";
import { parseRequest, type RenewalRequest } from "./payload.ts";
import { openQueue } from "./producer.ts";

const POLL_MS = 200;
/** A planner that answered a request this recently is at work. */
const BUSY_MS = 10_000;
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
  // A person waits for the answer, so it comes before what programs have added.
  const connection = connectProducer(redis);
  try {
    const queue = openQueue(QUEUES.requests, redis, connection);
    await connection.run(() => queue.add("renew", request, { jobId, lifo: true }), signal);
    return { jobId };
  } finally {
    connection.disconnect();
  }
}

/**
 * Waits until a planner has accepted the request. Throws what the planner refused it with, `queue.unanswered` or
 * `queue.busy` when nobody has taken it in time (it stays queued), `queue.unavailable` when Redis lost it.
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
      if (performance.now() >= deadline) throw await connection.run(() => notTaken(queue, jobId, timeoutMs), signal);
      await delay(POLL_MS, undefined, { signal });
    }
  } finally {
    connection.disconnect();
  }
}

/** Planners that are busy with others' requests are no planners that do not run. */
async function notTaken(queue: Queue, jobId: string, timeoutMs: number): Promise<RenewalError> {
  const seconds = timeoutMs / 1_000;
  const waiting = await queue.getWaitingCount();
  const answered = [...(await queue.getCompleted(0, 0)), ...(await queue.getFailed(0, 0))];
  const isBusy = answered.some((job) => Date.now() - (job?.finishedOn ?? 0) < Math.max(timeoutMs, BUSY_MS));
  if (isBusy)
    return new RenewalError(
      "queue.busy",
      `planners are busy: ${waiting} requests wait; request ${jobId} was not answered within ${seconds} s ` +
        "and stays queued",
    );
  return new RenewalError(
    "queue.unanswered",
    `no planner took request ${jobId} within ${seconds} s; the request stays queued`,
  );
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
