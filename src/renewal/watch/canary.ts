import { toRenewalError } from "../../domain/errors.ts";
import type { Context } from "../context.ts";
import { requestRenewal } from "../plan/request.ts";
import { elapsed } from "../rules/alerts/lasting.ts";

/**
 * Has the canary issued, deployed and verified once per interval: what would break the next real renewal breaks this
 * one first. Several planners may ask; one renewal is begun. Returns whether it was asked for.
 */
export async function renewCanary(context: Context, signal: AbortSignal): Promise<boolean> {
  const { store, services, settings, clock, log } = context;
  const { canary } = settings.alerts;
  if (canary === null || services.certificate(canary.certificate) === null) return false;
  await context.clockGuard.check(signal);
  const now = clock.now();
  const isTurn = await store.transaction(async (tx) => {
    const state = await tx.alerts.lock();
    if (state.canaryAt !== null && elapsed(state.canaryAt, now) < canary.everyMs) return false;
    await tx.alerts.saveState({ ...state, canaryAt: now });
    return true;
  });
  if (!isTurn) return false;
  try {
    const { certificate } = canary;
    await requestRenewal(context, { certificate, force: true, reason: "canary", requestedBy: "renewd (canary)" });
  } catch (thrown) {
    // Its age raises the alert.
    log.warn({ certificate: canary.certificate, err: toRenewalError(thrown) }, "the canary cannot be renewed");
  }
  return true;
}
