import type { RenewalWish, RequestOutcome } from "../../actions/context.ts";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import type { Job } from "../../domain/queue.ts";
import type { Store } from "../../domain/store.ts";
import type { Context } from "../../renewal/context.ts";
import { requestRenewal } from "../../renewal/plan/request.ts";
import type { WebContext } from "../context.ts";
import { type Answered, keyOf, once, type Repeatable, replayOf } from "./idempotency.ts";
import type { Operation, RawCall } from "./operation.ts";
import { assertUnchanged, changedMeanwhile, entityTag } from "./tags.ts";

/** Between reading what a decision is about and locking it, something may happen each time; a stranger must not win. */
const ATTEMPTS_MAX = 5;

export interface Wanted {
  readonly raw: RawCall;
  /** `If-Match`; null: none was sent. */
  readonly condition: string | null;
  /** null: no idempotency key was sent. */
  readonly request: Repeatable | null;
}

/**
 * Carries an action out. Condition, decision, history and the answer for its idempotency key are one transaction: of
 * two clients that saw the same, one decides, and after a crash the key is either free or has its answer. What reaches
 * beyond the database keeps its key by itself, see `once`.
 */
export async function carryOut(web: WebContext, operation: Operation, wanted: Wanted): Promise<Answered> {
  const { raw, request } = wanted;
  if (operation.reachesOut) {
    const work = async () => ({
      status: operation.status,
      body: JSON.stringify(await (await operation.prepared(raw))(web)),
    });
    return request === null ? { ...(await work()), replayed: false } : once(web, request, work);
  }
  for (let attempt = 1; ; attempt += 1) {
    const known = request && (await web.renewal.store.webAccess.known(keyOf(request)));
    if (request !== null && known !== null) return replayOf(known, request);
    const seen = await stateSeen(web, operation, wanted);
    const work = await operation.prepared(raw);
    const answered = await inOneTransaction(web, operation, { ...wanted, seen, work });
    if (answered !== null) return answered;
    if (attempt === ATTEMPTS_MAX) throw changedMeanwhile();
  }
}

/** What the client's condition holds for; null: there is none. Throws 412 where it does not hold. */
async function stateSeen(web: WebContext, operation: Operation, { raw, condition }: Wanted): Promise<string | null> {
  if (condition === null) return null;
  if (operation.changes === null) throw new RenewalError("internal.bug", "a condition on nothing");
  // Read before the tag: what happens in between shows as a change.
  const seen = JSON.stringify(await operation.changes.state(web.renewal.store, raw));
  assertUnchanged(condition, await entityTag(await operation.changes.shown(raw)));
  return seen;
}

interface Decided extends Wanted {
  readonly seen: string | null;
  readonly work: (web: WebContext) => Promise<object>;
}

/** null: what was seen has changed. Throws what the action refuses; then nothing was written but the refusal. */
async function inOneTransaction(
  web: WebContext,
  { status, changes }: Operation,
  { raw, request, seen, work }: Decided,
): Promise<Answered | null> {
  const { store, clock, queue, log } = web.renewal;
  let jobs: Job[] = [];
  const answered = await store.transaction(async (tx) => {
    jobs = [];
    const known = request && (await tx.webAccess.reserve({ ...keyOf(request), at: clock.now() }));
    if (request !== null && known !== null) return replayOf(known, request);
    if (seen !== null && JSON.stringify(await changes?.state(tx, raw)) !== seen) {
      if (request !== null) await tx.webAccess.release(keyOf(request).key);
      return null;
    }
    const found = await work(inside(web, tx, (added) => void jobs.push(...added)));
    if (found instanceof RenewalError) {
      if (request !== null) await tx.webAccess.release(keyOf(request).key);
      return found;
    }
    const body = JSON.stringify(found);
    if (request !== null) await tx.webAccess.answer(keyOf(request).key, { status, body });
    return { status, body, replayed: false };
  });
  // A hint: when the queue cannot be reached, the sweep enqueues the same jobs later.
  if (jobs.length > 0)
    await queue
      .enqueue(jobs)
      .catch((thrown: unknown) => log.warn({ err: toRenewalError(thrown) }, "not enqueued; the sweep will"));
  if (answered instanceof RenewalError) throw answered;
  return answered;
}

/**
 * What an action works with inside the transaction. Jobs are for after the commit: a worker must find what they name.
 */
function inside(web: WebContext, tx: Store, collect: (jobs: readonly Job[]) => void): WebContext {
  const renewal: Context = { ...web.renewal, store: tx, queue: { enqueue: async (jobs) => collect(jobs) } };
  return {
    ...web,
    renewal,
    requestRenewals: async (names, wish) => {
      const outcomes: RequestOutcome[] = [];
      for (const name of names) outcomes.push(await requestInside(renewal, name, wish));
      return outcomes;
    },
  };
}

async function requestInside(
  renewal: Context,
  certificate: string,
  { force, reason, by }: RenewalWish,
): Promise<RequestOutcome> {
  try {
    const { renewalId, hurried } = await requestRenewal(renewal, { certificate, force, reason, requestedBy: by });
    return { kind: "started", certificate, renewalId, via: "queue", hurried };
  } catch (thrown) {
    const error = toRenewalError(thrown);
    // Anything else ends the transaction.
    if (error.code !== "request.invalid") throw error;
    return { kind: "refused", certificate, error };
  }
}
