import { isLeaseHeld } from "../../domain/lease.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import type { Context } from "../context.ts";
import { renewalEvent } from "../history.ts";
import { PERSON_PRIORITY } from "../rules/window.ts";
import { reconcile } from "../steps/reconcile.ts";

/**
 * A person's word starts the next attempt of a renewal in flight now: same order, same generation, past any back-off,
 * any Retry-After and the pause after dead workers. What a worker is doing just now goes on. Returns the renewal.
 */
export async function hurryRenewal(context: Context, id: string, why: string): Promise<Renewal | null> {
  const hurried = await context.store.transaction(async (tx) => {
    const renewal = await tx.renewals.lock(id);
    // A hold is a decision of its own: `renewd resume` or `renewd rollback`.
    if (renewal === null || renewal.nextActionAt === null || renewal.state === "held") return null;
    const now = context.clock.now();
    const targets = await hurryDeployments(context, tx, renewal, now);
    if (!isLeaseHeld(renewal.leaseUntil, now, context.settings.leaseMs)) {
      const { errorCode, retryAt, priority } = renewal;
      await tx.renewals.update(id, renewal.fence, {
        priority: Math.min(priority, PERSON_PRIORITY),
        leaseUntil: null,
        openClaims: 0,
        // With an error and without an instant the renewal would end.
        retryAt: errorCode === null && retryAt === null ? null : now,
        nextActionAt: now,
      });
    }
    await tx.events.append(renewalEvent(renewal, now, "renewal.hurried", { why, targets }));
    return renewal;
  });
  if (hurried !== null) await reconcile(context, id);
  return hurried;
}

/** Returns the targets that are tried again. */
async function hurryDeployments(
  { settings }: Context,
  tx: Store,
  { certificate, generation }: Renewal,
  now: number,
): Promise<string[]> {
  const waiting = (await tx.deployments.list(certificate)).filter(
    (row) =>
      row.wantedGeneration === generation &&
      // With an error it is behind too: it has the pair by an earlier definition of its target.
      (row.deployedGeneration < generation || row.errorCode !== null) &&
      !isLeaseHeld(row.leaseUntil, now, settings.leaseMs),
  );
  for (const { target, fence, exhausted, attempts } of waiting) {
    await tx.deployments.update(certificate, target, fence, {
      leaseUntil: null,
      openClaims: 0,
      nextAttemptAt: null,
      exhausted: false,
      // Its attempts are used up: it gets as many again.
      attempts: exhausted ? 0 : attempts,
    });
  }
  return waiting.map(({ target }) => target);
}
