import { toRenewalError } from "../domain/errors.ts";
import type { Context } from "./context.ts";
import { proceed } from "./proceed.ts";

/**
 * Derives all outstanding work from the database again: whatever is due and was not claimed is enqueued once more.
 * This alone makes the queue disposable (lost Redis, FLUSHALL, a crash between commit and enqueue). Returns how many it looked at.
 */
export async function sweep(context: Context, signal: AbortSignal): Promise<number> {
  const { store, clock, settings, log } = context;
  await context.clockGuard.check(signal);
  const due = await store.renewals.due(clock.now(), settings.batch, settings.leaseMs);
  for (const renewal of due) {
    signal.throwIfAborted();
    try {
      await proceed(context, renewal.id);
    } catch (thrown) {
      // One renewal that cannot be advanced must not keep the others waiting.
      log.error({ certificate: renewal.certificate, renewalId: renewal.id, err: toRenewalError(thrown) }, "renewal not swept");
    }
  }
  return due.length;
}
