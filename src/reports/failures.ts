import { deploymentId } from "../domain/deployment.ts";
import { endpointKey } from "../domain/endpoint.ts";
import { ERRORS, isErrorCode } from "../domain/errorTable.ts";
import { type Claims, isLeaseHeld, pausedUntil } from "../domain/lease.ts";
import { wavesOf } from "../domain/waves.ts";
import { expectedGeneration } from "../renewal/rules/served.ts";
import { DEFAULT_SETTINGS } from "../renewal/rules/settings.ts";
import type { Member } from "./fleet.ts";

/** Something renewd tried and could not do. Text may come from a CA or a target. */
export interface Failure {
  /** `issuing`, `wave`, `target NAME`, `endpoint KEY` or `last renewal`. */
  readonly where: string;
  readonly code: string;
  readonly message: string;
  readonly action: string;
  readonly attempts: number;
  /** ms since epoch. */
  readonly nextAttemptAt: number | null;
}

/** Every error that has not been overcome yet, the one that stops most first. */
export function failuresOf(member: Member): Failure[] {
  const { record } = member;
  const found = stoppedBy(member);
  for (const status of unprovedEndpoints(member)) {
    if (status.errorCode !== null)
      found.push(failure(`endpoint ${status.endpoint}`, status.errorCode, status.errorMessage, 0, nextDialOf(member)));
  }
  if (found.length === 0 && record !== null && record.failures > 0 && record.lastErrorCode !== null) {
    found.push(failure("last renewal", record.lastErrorCode, record.lastErrorMessage, 0, record.nextAttemptAt));
  }
  return found;
}

/** When the endpoints are dialled again by themselves; null: while a renewal is in flight, it does so. */
export function nextDialOf({ active, record }: Pick<Member, "active" | "record">): number | null {
  return active === null ? (record?.nextObservationAt ?? null) : null;
}

/** What keeps a renewal from going on, or kept the last one. */
export function stoppedBy({ certificate, active, deployments }: Member): Failure[] {
  const found: Failure[] = [];
  if (active !== null && active.errorCode !== null)
    found.push(
      failure(
        active.state === "held" ? "wave" : "issuing",
        active.errorCode,
        active.errorMessage,
        active.attempts,
        active.retryAt,
      ),
    );
  for (const row of deployments) {
    if (row.errorCode === null || !isBehind(row, certificate) || !certificate.targets.includes(row.target)) continue;
    found.push(
      failure(
        `target ${row.target}`,
        row.errorCode,
        row.errorMessage,
        row.attempts,
        row.exhausted ? null : row.nextAttemptAt,
      ),
    );
  }
  return found;
}

/** Until when a renewal in flight sits out back-off, bake or deaths, ms since epoch; null: it should be moving. */
export function waitsUntil({ active, certificate, deployments }: Member, now: number): number | null {
  if (active === null) return null;
  if (active.retryAt !== null && active.retryAt > now) return active.retryAt;
  const restsUntil = afterDeaths(active, active.id, now);
  if (restsUntil > now) return restsUntil;
  // Later waves are due as far as their rows say, but get nothing before the first that is not done.
  for (const { targets, bakeMs } of wavesOf(certificate)) {
    const rows = deployments.filter(({ target }) => targets.includes(target));
    const waiting = rows
      .filter((row) => isBehind(row, certificate) && !row.exhausted)
      .map((row) => Math.max(row.nextAttemptAt ?? 0, afterDeaths(row, deploymentId(row), now)));
    if (waiting.length > 0) return waiting.every((at) => at > now) ? Math.min(...waiting) : null;
    const bakedAt = bakeMs === 0 ? 0 : Math.max(0, ...rows.map((row) => row.deployedAt ?? 0)) + bakeMs;
    if (bakedAt > now) return bakedAt;
  }
  return null;
}

/** Until when nobody takes it up because its workers died; 0: it need not wait, or somebody is at it. */
function afterDeaths(row: Claims, id: string, now: number): number {
  const { leaseMs } = DEFAULT_SETTINGS;
  return isLeaseHeld(row.leaseUntil, now, leaseMs) ? 0 : pausedUntil(row, id, now, leaseMs);
}

/** How many workers in a row died at it, while it waits for that; 0: it does not. */
export function deathsOf({ active, deployments }: Member, now: number): number {
  if (active === null) return 0;
  const resting = [
    { row: active, id: active.id },
    ...deployments.map((row) => ({ row, id: deploymentId(row) })),
  ].filter(({ row, id }) => afterDeaths(row, id, now) > now);
  return Math.max(0, ...resting.map(({ row }) => row.openClaims));
}

/** It lacks the wanted pair, or an attempt to put it there by the target's present definition failed. */
function isBehind(row: Member["deployments"][number], { targetDigests }: Member["certificate"]): boolean {
  const { deployedGeneration, wantedGeneration, errorCode, targetDigest, target } = row;
  if (deployedGeneration < wantedGeneration) return true;
  return errorCode !== null && targetDigest !== null && targetDigest !== targetDigests[target];
}

export function unprovedEndpoints({
  certificate,
  endpoints,
  version,
}: Pick<Member, "certificate" | "endpoints" | "version">): Member["endpoints"] {
  const keys = certificate.endpoints.map(endpointKey);
  const generation = expectedGeneration(certificate, version);
  return endpoints.filter(
    (status) => keys.includes(status.endpoint) && status.generation === generation && !status.proved,
  );
}

function failure(
  where: string,
  code: string,
  message: string | null,
  attempts: number,
  nextAttemptAt: number | null,
): Failure {
  const action = isErrorCode(code) ? ERRORS[code].action : ERRORS["internal.bug"].action;
  return { where, code, message: message ?? "no message was recorded", action, attempts, nextAttemptAt };
}
