import { toRenewalError } from "../../domain/errors.ts";
import { groupsOf } from "../../domain/groups.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Context } from "../context.ts";
import { attemptWrite, recordUnplannable } from "../plan/unplannable.ts";
import { reconcile, recordChanges } from "./reconcile.ts";

/** A large replacement waits in the queue; sweeping all of it at each tick would cost too much. */
const PAGES_MAX = 5;
/** Renewals that one transaction advances: while it lasts, others have to wait. */
const SWEPT_TOGETHER = 20;

/**
 * Derives all outstanding work from the database again: enqueues all work that is due and unclaimed. This alone makes
 * the queue disposable (lost Redis, FLUSHALL, a crash between commit and enqueue). Returns how many renewals it swept.
 * The first page is the most urgent work, the others the work that has been due for longest. Swept work becomes due
 * again later, so every renewal is reached even if nobody takes the more urgent ones, such as the work of an agent that
 * is down.
 */
export async function sweep(context: Context, signal: AbortSignal): Promise<number> {
  const { store, clock, settings } = context;
  await context.clockGuard.check(signal);
  const { batch: limit, leaseMs } = settings;
  const now = clock.now();
  let swept = 0;
  for (let page = 0; page < PAGES_MAX; page++) {
    const due = await store.renewals.due(now, { limit, leaseMs, first: page === 0 ? "urgent" : "overdue" });
    for (const group of groupsOf(due, SWEPT_TOGETHER)) {
      signal.throwIfAborted();
      await reconcileTogether(context, group);
    }
    swept += due.length;
    if (due.length < limit) break;
  }
  return swept;
}

/** In one transaction. If that fails each has its own, which shows those that cannot be advanced. */
async function reconcileTogether(context: Context, renewals: readonly Renewal[]): Promise<void> {
  try {
    await recordChanges(context, async (tx) => {
      await tx.certificates.lock(renewals.map(({ certificate }) => certificate));
      return renewals.map(({ id }) => ({ renewalId: id }));
    });
  } catch {
    for (const renewal of renewals) await attemptReconcile(context, renewal);
  }
}

/** As `reconcile`, but a renewal that cannot be advanced is recorded and moved on instead of stopping the others. */
export async function attemptReconcile(context: Context, { id, certificate, fence }: Renewal): Promise<void> {
  const { clock, settings, log } = context;
  try {
    await reconcile(context, id);
  } catch (thrown) {
    // A renewal that cannot be advanced must not delay the others: it goes to the end of the queue.
    log.error({ certificate, renewalId: id, err: toRenewalError(thrown) }, "renewal cannot be advanced");
    const nextActionAt = clock.now() + settings.requeueMs;
    await attemptWrite(context, certificate, (tx) => tx.renewals.update(id, fence, { nextActionAt }));
    await recordUnplannable(context, certificate, thrown);
  }
}
