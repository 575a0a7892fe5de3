/** What a worker process measured since the last look. Fractions are of the lease. */
export interface Load {
  readonly leaseMs: number;
  /** The longest time for which the event loop did nothing that was due. */
  readonly loopDelayMs: number;
  /** How much of its lease was left, at worst, when a renewal of it was recorded; null: none was renewed. */
  readonly leaseMarginMs: number | null;
}

export interface Concurrency {
  readonly current: number;
  /** As configured. */
  readonly max: number;
}

/** A healthy worker renews after a third of the lease, so two thirds are left. */
const MARGIN_LOW = 1 / 3;
const MARGIN_GOOD = 1 / 2;
const DELAY_HIGH = 1 / 10;
const DELAY_GOOD = 1 / 40;
/** As many jobs at first: what a machine can do is found from below, before leases run out. */
const START = 8;

export function firstConcurrency(max: number): number {
  return Math.min(max, START);
}

/**
 * How many jobs a worker may take at a time. If it falls behind, its leases run out: others take its work over, it starts
 * again, and nothing ends. So it takes half as many at the first sign, and a quarter more each time while all is well.
 */
export function nextConcurrency({ current, max }: Concurrency, { leaseMs, loopDelayMs, leaseMarginMs }: Load): number {
  const delay = loopDelayMs / leaseMs;
  const margin = leaseMarginMs === null ? 1 : leaseMarginMs / leaseMs;
  if (delay > DELAY_HIGH || margin < MARGIN_LOW) return Math.max(1, Math.floor(current / 2));
  if (delay > DELAY_GOOD || margin < MARGIN_GOOD) return current;
  return Math.min(max, current + Math.ceil(current / 4));
}
