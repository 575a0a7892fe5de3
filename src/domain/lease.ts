import { unitHash } from "./unitHash.ts";

/**
 * A process whose clock is further off than this decides and writes nothing. Certificates are backdated, so less is
 * harmless.
 */
export const CLOCK_SKEW_MAX_MS = 5 * 60_000;

/** No lease ends later than this, unless the clock of the process that took it was wrong. */
export function leaseUntilMax(now: number, leaseMs: number): number {
  return now + leaseMs + CLOCK_SKEW_MAX_MS;
}

/**
 * Whether somebody may still work under this lease. A lease that ends later than possible was taken, or extended, by a
 * wrong clock and counts as over: otherwise a dead worker with a clock 40 days ahead would lock its work for 40 days.
 * Fences make a mistake harmless.
 */
export function isLeaseHeld(leaseUntil: number | null, now: number, leaseMs: number): leaseUntil is number {
  return leaseUntil !== null && leaseUntil > now && leaseUntil <= leaseUntilMax(now, leaseMs);
}

/**
 * A worker that is killed once or twice is taken over at once; a third death in a row makes the work itself suspect.
 */
const SUSPECT_CLAIMS = 3;
const PAUSE_MAX_MS = 60_000;

/** What a row says of the claims on it. */
export interface Claims {
  readonly leaseUntil: number | null;
  readonly openClaims: number;
}

/**
 * Until when work is not offered again after its workers died; 0: it need not wait. A certificate that kills its worker
 * also stops the other work of that worker. So work that died together comes back at different times: the others get
 * through.
 */
export function pausedUntil({ leaseUntil, openClaims }: Claims, id: string, now: number, leaseMs: number): number {
  if (leaseUntil === null || openClaims < SUSPECT_CLAIMS || leaseUntil > leaseUntilMax(now, leaseMs)) return 0;
  return (
    leaseUntil + Math.round(Math.min(leaseMs * 2 ** openClaims, PAUSE_MAX_MS) * (0.5 + unitHash(`${id} ${openClaims}`)))
  );
}

/** Nobody holds it, and it need not wait. `id`: as given to `pausedUntil`. */
export function isClaimable(row: Claims, id: string, now: number, leaseMs: number): boolean {
  return !isLeaseHeld(row.leaseUntil, now, leaseMs) && pausedUntil(row, id, now, leaseMs) <= now;
}

/** The claim given back without an outcome: no lease, and one claim fewer that has none. */
export function withoutClaim({ openClaims }: Pick<Claims, "openClaims">): Claims {
  return { leaseUntil: null, openClaims: openClaims - 1 };
}
