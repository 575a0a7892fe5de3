import { randomUUID } from "node:crypto";
import type { RenewalWish, RequestOutcome } from "../actions/context.ts";
import { type RenewalError, toRenewalError } from "../domain/errors.ts";
import { describeRedis } from "../queue/options.ts";
import { requestRenewal } from "../renewal/plan/request.ts";
import type { App } from "./app.ts";
import { addRequest, waitForRequest } from "./requests.ts";
import { withoutQueue } from "./withoutQueue.ts";

type Requester = Pick<App, "context" | "redis">;

/** A running planner answers within milliseconds. */
const ANSWER_TIMEOUT_MS = 5_000;

interface Sent {
  readonly certificate: string;
  readonly jobId: string;
}

/**
 * Asks for renewals through the queue `renewal-requests`. While Redis is unreachable they are recorded straight in the
 * database by the same rules, which the sweep carries out once Redis is back. One answer per name, in their order.
 */
export async function requestRenewals(
  app: Requester,
  names: readonly string[],
  wish: RenewalWish,
  note: (text: string) => void,
): Promise<RequestOutcome[]> {
  const pending: (Sent | RequestOutcome)[] = [];
  let unreachable: RenewalError | null = null;
  for (const certificate of names) {
    // One id for both ways: a request that Redis took although it did not answer in time is not carried out again.
    const id = wish.idOf?.(certificate) ?? randomUUID();
    const sent: { jobId: string } | RenewalError =
      unreachable === null ? await send(app, certificate, id, wish) : unreachable;
    if ("jobId" in sent) pending.push({ certificate, jobId: sent.jobId });
    else if (sent.code !== "queue.unavailable") pending.push({ kind: "refused", certificate, error: sent });
    else {
      // Asking a Redis that is away takes two seconds: once is enough for all names.
      unreachable = sent;
      pending.push(await recordInDatabase(app, certificate, id, wish));
    }
  }
  if (unreachable !== null) explain(app, unreachable, pending, note);
  return answers(app, pending);
}

async function send(
  app: Requester,
  certificate: string,
  id: string,
  { force, reason, by }: RenewalWish,
): Promise<{ jobId: string } | RenewalError> {
  try {
    return await addRequest(
      app.redis,
      { version: 1, certificate, force, ...(reason !== null && { reason }), ...(by !== null && { requestedBy: by }) },
      id,
    );
  } catch (thrown) {
    return toRenewalError(thrown);
  }
}

async function recordInDatabase(
  app: Requester,
  certificate: string,
  id: string,
  { by, force, reason }: RenewalWish,
): Promise<RequestOutcome> {
  try {
    const { renewalId, hurried } = await requestRenewal(withoutQueue(app.context), {
      certificate,
      force,
      reason,
      requestedBy: by,
      id,
    });
    return { kind: "started", certificate, renewalId, via: "database", hurried };
  } catch (thrown) {
    return { kind: "refused", certificate, error: toRenewalError(thrown) };
  }
}

function explain(
  { redis }: Requester,
  { message, facts }: RenewalError,
  pending: readonly (Sent | RequestOutcome)[],
  note: (text: string) => void,
): void {
  note(message);
  const recorded = pending.filter((each) => "via" in each && each.via === "database");
  if (recorded.length === 0) return;
  const ids = recorded.map((each) => ("renewalId" in each ? each.renewalId : "")).join(", ");
  note(
    `  recorded in the database as ${ids}; starts by itself when Redis at ${describeRedis(redis)} is back and a ` +
      "planner runs",
  );
  note(`  what to do: ${facts.action}`);
}

/** All requests wait at once: they were all sent before the first answer is asked for. */
async function answers(app: Requester, pending: readonly (Sent | RequestOutcome)[]): Promise<RequestOutcome[]> {
  const deadline = performance.now() + ANSWER_TIMEOUT_MS;
  const asked: RequestOutcome[] = [];
  for (const each of pending)
    asked.push("kind" in each ? each : await answer(app, each, Math.max(0, deadline - performance.now())));
  return asked;
}

/** Not recorded in the database as well when nobody answers: a request that Redis keeps would renew a second time. */
async function answer({ redis }: Requester, { certificate, jobId }: Sent, timeoutMs: number): Promise<RequestOutcome> {
  try {
    const accepted = await waitForRequest(
      redis,
      jobId,
      Math.ceil(timeoutMs / 1_000) * 1_000,
      new AbortController().signal,
    );
    return { kind: "started", certificate, via: "queue", ...accepted };
  } catch (thrown) {
    return { kind: "refused", certificate, error: toRenewalError(thrown) };
  }
}
