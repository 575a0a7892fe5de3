/** A clock further than this from CA's and database's decides and writes nothing: certificates are backdated, less does no harm. */
export const CLOCK_SKEW_MAX_MS = 5 * 60_000;

/** No lease ends later than this, whoever took it, unless its clock was wrong. */
export function leaseUntilMax(now: number, leaseMs: number): number {
  return now + leaseMs + CLOCK_SKEW_MAX_MS;
}

/**
 * Whether somebody may still be at work under this lease. One that ends later than any can was taken, or extended, by a wrong
 * clock and counts as run out: or a worker 40 days ahead that died would lock its work for 40 days. Fences make a mistake harmless.
 */
export function isLeaseHeld(leaseUntil: number | null, now: number, leaseMs: number): leaseUntil is number {
  return leaseUntil !== null && leaseUntil > now && leaseUntil <= leaseUntilMax(now, leaseMs);
}
