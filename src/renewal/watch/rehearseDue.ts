import { DAY_MS, HOUR_MS } from "../../domain/time.ts";
import type { Context } from "../context.ts";
import { REHEARSAL_OFF } from "../rules/settings.ts";
import { isPassing, rehearse } from "./rehearse.ts";

/** While it is being rehearsed, and until another planner takes it up if this one dies at it. */
const CLAIM_MS = HOUR_MS;
const REHEARSAL_TIMEOUT_MS = 900_000;
/** Certificates configured together drift apart. */
const JITTER = 0.1;

/**
 * Rehearses the certificate that has waited longest, if one is due: one at a time, as a staging CA is not there for load.
 * One in whose renewal something is under way is not rehearsed: that tells more. Returns its name.
 */
export async function rehearseDue(context: Context, signal: AbortSignal): Promise<string | null> {
  const { store, clock, settings, services } = context;
  const { rehearseMs } = settings;
  if (rehearseMs === REHEARSAL_OFF) return null;
  await context.clockGuard.check(signal);
  const [name] = await store.certificates.claimRehearsals({
    now: clock.now(),
    nextAt: clock.now() + CLAIM_MS,
    limit: 1,
  });
  const certificate = name === undefined ? null : services.certificate(name);
  if (certificate === null) return null;
  let nextMs = rehearseMs;
  if ((await store.renewals.active(certificate.name)) === null) {
    // What only an agent may deploy to can be asked only from its machine.
    const targets = certificate.targets.filter((target) => !services.hasAgent(target));
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(REHEARSAL_TIMEOUT_MS)]);
    const steps = await rehearse(context, { ...certificate, targets }, services.rehearsal(certificate.issuer), bounded);
    // What failed is tried again soon: it may have been the staging CA, or somebody has mended it.
    if (!steps.every(isPassing)) nextMs = Math.min(rehearseMs, DAY_MS);
  }
  const spread = 1 + JITTER * (2 * Math.random() - 1);
  await store.certificates.update(certificate.name, { nextRehearsalAt: Math.floor(clock.now() + nextMs * spread) });
  return certificate.name;
}
