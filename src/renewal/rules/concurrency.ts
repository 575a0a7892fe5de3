/** What a worker process measured since the last look. Fractions are of the lease. */
export interface Load {
  readonly leaseMs: number;
  /** The longest time for which the event loop did nothing that was due. */
  readonly loopDelayMs: number;
  /** How much of its lease was left, at worst, when a claim or a renewal of it was recorded; null: there was none. */
  readonly leaseMarginMs: number | null;
}

export interface Concurrency {
  readonly current: number;
  /** As configured. */
  readonly max: number;
  /** The most jobs that ran, or waited to run, at a time since the last look. */
  readonly wanted: number;
}

/** A healthy worker renews after a third of the lease, so two thirds are left. */
const MARGIN_LOW = 1 / 3;
const MARGIN_GOOD = 1 / 2;
const DELAY_HIGH = 1 / 10;
const DELAY_GOOD = 1 / 40;
/** As many jobs at first: what a machine can do is found from below, before leases run out. */
const START = 8;
/** A lease that is too many shows only after a third of its time: several looks, in which few may be added. */
const GROWTH = 1 / 8;

export function firstConcurrency(max: number): number {
  return Math.min(max, START);
}

export function isTooBusy({ leaseMs, loopDelayMs, leaseMarginMs }: Load): boolean {
  const margin = leaseMarginMs === null ? 1 : leaseMarginMs / leaseMs;
  return loopDelayMs / leaseMs > DELAY_HIGH || margin < MARGIN_LOW;
}

/**
 * How many jobs a worker may take at a time. If it falls behind, its leases run out: others take its work over, it
 * starts again, and nothing ends. So it takes half as many at the first sign, and an eighth more each time while all is
 * well and all that it may take runs. An idle worker proves nothing: beyond the first number it goes back, so that a
 * wave of work does not find it with all that is configured.
 */
export function nextConcurrency({ current, max, wanted }: Concurrency, load: Load): number {
  const first = firstConcurrency(max);
  if (isTooBusy(load)) return Math.max(1, Math.floor(Math.min(current, Math.max(wanted, first)) / 2));
  const margin = load.leaseMarginMs === null ? 1 : load.leaseMarginMs / load.leaseMs;
  if (load.loopDelayMs / load.leaseMs > DELAY_GOOD || margin < MARGIN_GOOD) return current;
  if (wanted === 0 && current > first) return first;
  if (wanted < current && current >= first) return current;
  return Math.min(max, current + Math.ceil(current * GROWTH));
}

/** It takes all the work there is for it, and is not too busy. */
export function isRecovered({ current, max, wanted }: Concurrency, load: Load): boolean {
  return !isTooBusy(load) && (current >= max || (current >= firstConcurrency(max) && wanted < current));
}
