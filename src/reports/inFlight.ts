import type { Renewal } from "../domain/renewal.ts";
import { deathsOf, stoppedBy, waitsUntil } from "./failures.ts";
import { type Member, progressOf } from "./fleet.ts";
import { iso } from "./instant.ts";
import { isClaimed } from "./waiting.ts";

export interface InFlight {
  readonly certificate: string;
  readonly renewalId: string;
  readonly reason: string;
  readonly trigger: string;
  readonly stage: string;
  readonly startedAt: string;
  readonly ageMs: number;
  readonly attempts: number;
  /** Somebody works at it now. */
  readonly claimed: boolean;
  readonly waitingUntil: string | null;
  /** Workers in a row that died at it, while it waits for that: work that kills its worker must not stop the rest. */
  readonly workersDied: number;
  readonly errorCode: string | null;
  readonly targetsDeployed: number;
  readonly targets: number;
  readonly endpointsProved: number;
  readonly endpoints: number;
}

/** Renewals that run, the oldest first. */
export function inFlightReport(fleet: readonly Member[], now: number): InFlight[] {
  return fleet
    .flatMap((member) => (member.active === null ? [] : [inFlightOf(member, member.active, now)]))
    .sort((a, b) => b.ageMs - a.ageMs);
}

function inFlightOf(member: Member, active: Renewal, now: number): InFlight {
  const { targetsDeployed, targets, endpointsProved, endpoints } = progressOf(member, active.generation);
  return {
    certificate: member.certificate.name,
    renewalId: active.id,
    reason: active.reason,
    trigger: active.trigger,
    stage: active.state,
    startedAt: iso(active.createdAt),
    ageMs: now - active.createdAt,
    attempts: active.attempts,
    claimed: isClaimed(member, now),
    waitingUntil: iso(waitsUntil(member, now)),
    workersDied: deathsOf(member, now),
    errorCode: stoppedBy(member)[0]?.code ?? null,
    targetsDeployed,
    targets,
    endpointsProved,
    endpoints,
  };
}
