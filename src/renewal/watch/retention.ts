import type { Context } from "../context.ts";

/** Rows in one statement, so that nobody waits for long. */
const BATCH_ROWS = 500;
/** Batches of each kind in one run; what is left goes with the next. */
const BATCHES_MAX = 20;

type RetentionContext = Pick<Context, "store" | "settings"> & {
  readonly clock: Pick<Context["clock"], "now">;
  readonly clockGuard: Pick<Context["clockGuard"], "check">;
};

/**
 * Removes what nothing needs any more: first the private keys of expired pairs, then events, and then the renewals and
 * pairs that no event is about. Several planners may do so at once.
 */
export async function applyRetention(context: RetentionContext, signal: AbortSignal): Promise<void> {
  const { store, clock, settings } = context;
  await context.clockGuard.check(signal);
  const now = clock.now();
  const [expiredBefore, before] = [now - settings.retention.keysMs, now - settings.retention.historyMs];
  const keys = await batches(() => store.retention.eraseKeys(expiredBefore, BATCH_ROWS), signal);
  const events = await batches(() => store.retention.pruneEvents(before, now, BATCH_ROWS), signal);
  // Less than a full run: what is still older is where pruning stopped.
  if (events < BATCH_ROWS * BATCHES_MAX) await reportStuck(context, before, now);
  const renewals = await batches(() => store.retention.pruneRenewals(before, BATCH_ROWS), signal);
  const versions = await batches(() => store.retention.pruneVersions(before, BATCH_ROWS), signal);
  await batches(() => store.served.forget(before, BATCH_ROWS), signal);
  await store.alerts.forget(before);
  await store.inventory.forget(before);
  if (keys + events + renewals + versions === 0) return;
  const of = { certificate: null, renewalId: null, target: null };
  const detail = { keys, events, renewals, versions, prunedTo: await store.events.prunedTo() };
  await store.events.append({ at: now, type: "history.pruned", ...of, detail });
}

/**
 * Once for each event at which it stops: everything behind it stays as well, until a person has accepted what happened.
 */
async function reportStuck({ store }: RetentionContext, before: number, now: number): Promise<void> {
  const number = await store.retention.stuckAt(before);
  if (number === null) return;
  const [last] = await store.events.list({ types: ["history.pruneStopped"], limit: 1, sealed: true });
  if (last?.detail.number === number) return;
  const of = { certificate: null, renewalId: null, target: null };
  await store.events.append({ at: now, type: "history.pruneStopped", ...of, detail: { number } });
}

async function batches(prune: () => Promise<number>, signal: AbortSignal): Promise<number> {
  let total = 0;
  for (let batch = 0; batch < BATCHES_MAX; batch += 1) {
    signal.throwIfAborted();
    const pruned = await prune();
    total += pruned;
    if (pruned < BATCH_ROWS) break;
  }
  return total;
}
