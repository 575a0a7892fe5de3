import type { Certificate } from "../../domain/certificate.ts";
import type { HistoryEvent } from "../../domain/event.ts";
import { HOUR_MS } from "../../domain/time.ts";
import type { Context } from "../context.ts";
import { LADDERS_MS } from "../rules/backoff.ts";
import { REHEARSAL_OFF } from "../rules/settings.ts";
import { isPassing, rehearse } from "./rehearse.ts";
import { openRequests } from "./requestRehearsal.ts";

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
  if (settings.rehearseMs === REHEARSAL_OFF) return null;
  await context.clockGuard.check(signal);
  const now = clock.now();
  const [name] = await store.certificates.claimRehearsals({ now, nextAt: now + REHEARSAL_CLAIM_MS, limit: 1 });
  const certificate = name === undefined ? null : services.certificate(name);
  if (certificate === null) return null;
  const request = (await openRequests(store, now)).find((event) => event.certificate === certificate.name);
  const isBusy = request === undefined && (await store.renewals.active(certificate.name)) !== null;
  const passed = isBusy || (await rehearseClaimed(context, certificate, request ?? null, signal));
  await setNext(context, certificate.name, passed);
  return certificate.name;
}

/** Rehearses what people asked for, whether or not rehearsals by themselves are configured. Returns the names. */
export async function rehearseRequested(context: Context, signal: AbortSignal): Promise<string[]> {
  const { store, clock, services } = context;
  const done: string[] = [];
  for (const request of await openRequests(store, clock.now())) {
    const certificate = request.certificate === null ? null : services.certificate(request.certificate);
    if (certificate === null) continue;
    await context.clockGuard.check(signal);
    const now = clock.now();
    const terms = { now, nextAt: now + REHEARSAL_CLAIM_MS };
    if (!(await store.certificates.claimRehearsal(certificate.name, terms))) continue;
    await setNext(context, certificate.name, await rehearseClaimed(context, certificate, request, signal));
    done.push(certificate.name);
  }
  return done;
}

/** `request`: of a person; null: it was its turn. Returns whether it passed. */
async function rehearseClaimed(
  context: Context,
  certificate: Certificate,
  request: HistoryEvent | null,
  signal: AbortSignal,
): Promise<boolean> {
  const { services } = context;
  // A target with an agent can be checked only from the agent's machine.
  const targets = certificate.targets.filter((target) => !services.hasAgent(target));
  const office = services.rehearsal(certificate.issuer);
  const asked = request && { by: textOf(request.detail.by), why: textOf(request.detail.why) };
  const steps = await rehearse(context, { ...certificate, targets }, office, signal, undefined, asked);
  return steps.every(isPassing);
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

async function setNext({ store, clock, settings }: Context, name: string, passed: boolean): Promise<void> {
  const { rehearseMs } = settings;
  if (rehearseMs === REHEARSAL_OFF) return;
  // A failed rehearsal is repeated soon: the staging CA may have been at fault, or somebody has fixed the cause.
  const nextMs = passed ? rehearseMs : Math.min(rehearseMs, LADDERS_MS.rehearsal[0]);
  const spread = 1 + JITTER * (2 * Math.random() - 1);
  await store.certificates.update(name, { nextRehearsalAt: Math.floor(clock.now() + nextMs * spread) });
}
