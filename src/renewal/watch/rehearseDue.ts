import { HOUR_MS } from "../../domain/time.ts";
import type { Context } from "../context.ts";
import { LADDERS_MS } from "../rules/backoff.ts";
import { REHEARSAL_OFF } from "../rules/settings.ts";
import { isPassing, rehearse } from "./rehearse.ts";

/** How long a planner has a rehearsal to itself; if it dies, another planner takes over after that. */
export const REHEARSAL_CLAIM_MS = HOUR_MS;
/** Certificates configured together are then rehearsed at different times. */
const JITTER = 0.1;

/**
 * Rehearses the certificate that has waited longest, if one is due. One at a time: a staging CA is not built for load.
 * A certificate with an active renewal is left out, because that renewal shows more. Returns its name.
 */
export async function rehearseDue(context: Context, signal: AbortSignal): Promise<string | null> {
  const { store, clock, settings, services } = context;
  const { rehearseMs } = settings;
  if (rehearseMs === REHEARSAL_OFF) return null;
  await context.clockGuard.check(signal);
  const [name] = await store.certificates.claimRehearsals({
    now: clock.now(),
    nextAt: clock.now() + REHEARSAL_CLAIM_MS,
    limit: 1,
  });
  const certificate = name === undefined ? null : services.certificate(name);
  if (certificate === null) return null;
  let nextMs = rehearseMs;
  if ((await store.renewals.active(certificate.name)) === null) {
    // A target with an agent can be checked only from the agent's machine.
    const targets = certificate.targets.filter((target) => !services.hasAgent(target));
    const office = services.rehearsal(certificate.issuer);
    const steps = await rehearse(context, { ...certificate, targets }, office, signal);
    // A failed rehearsal is repeated soon: the staging CA may have been at fault, or somebody has fixed the cause.
    if (!steps.every(isPassing)) nextMs = Math.min(rehearseMs, LADDERS_MS.rehearsal[0]);
  }
  const spread = 1 + JITTER * (2 * Math.random() - 1);
  await store.certificates.update(certificate.name, { nextRehearsalAt: Math.floor(clock.now() + nextMs * spread) });
  return certificate.name;
}
