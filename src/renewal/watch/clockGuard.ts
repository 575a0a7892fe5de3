import type { Clock } from "../../domain/clock.ts";
import { RenewalError } from "../../domain/errors.ts";
import { CLOCK_SKEW_MAX_MS } from "../../domain/lease.ts";
import { formatDuration } from "../../domain/time.ts";

const MEASURE_EVERY_MS = 10 * 60_000;
/** The wall clock moved against the monotonic one: somebody stepped it. */
const STEP_MS = 60_000;

export interface ClockGuard {
  /** Throws `clock.skewed` while this machine's clock cannot be trusted: nothing must be decided or written by it. */
  check(signal: AbortSignal): Promise<void>;
}

/** How far another clock is ahead of ours in ms, or a sign that ours is wrong by an unknown amount. */
export type ClockReference = { readonly name: string; readonly aheadMs: number } | { readonly problem: string };

export interface ClockGuardOptions {
  readonly clock: Clock;
  /** What others' clocks (CA, database) say about ours; empty when none can be asked now. */
  readonly references: (signal: AbortSignal) => Promise<readonly ClockReference[]>;
  /** Told once per change; null: the clock is right again. */
  readonly onChange: (problem: string | null) => Promise<void>;
}

/**
 * A clock 40 days ahead makes the whole fleet look expired, one behind hides what expires: both would be acted upon at
 * once and everywhere. Asks a reference every ten minutes, and at once when the clock was stepped.
 */
export function createClockGuard({ clock, references, onChange }: ClockGuardOptions): ClockGuard {
  let problem: string | null = null;
  let measured: { readonly at: number; readonly offset: number } | null = null;

  async function measure(signal: AbortSignal): Promise<void> {
    const offset = clock.now() - clock.monotonic();
    const steppedMs = measured === null ? 0 : offset - measured.offset;
    const answers = await references(signal);
    const wrong = answers.map(problemWith).find((found) => found !== null);
    const before = problem;
    if (wrong !== undefined) problem = wrong;
    else if (answers.length > 0) problem = null;
    // Nobody to ask: a big step is not believed, and a doubt stays until somebody can be asked.
    else if (Math.abs(steppedMs) > CLOCK_SKEW_MAX_MS)
      problem = `this machine's clock was stepped by ${formatDuration(steppedMs)} and neither CA nor database can be asked`;
    measured = { at: clock.monotonic(), offset: answers.length > 0 || measured === null ? offset : measured.offset };
    if (problem !== before) await onChange(problem);
  }

  return {
    async check(signal) {
      const stale =
        measured === null ||
        problem !== null ||
        clock.monotonic() - measured.at > MEASURE_EVERY_MS ||
        Math.abs(clock.now() - clock.monotonic() - measured.offset) > STEP_MS;
      if (stale) await measure(signal);
      if (problem !== null) throw new RenewalError("clock.skewed", problem);
    },
  };
}

function problemWith(reference: ClockReference): string | null {
  if ("problem" in reference) return reference.problem;
  const { name, aheadMs } = reference;
  if (Math.abs(aheadMs) <= CLOCK_SKEW_MAX_MS) return null;
  return `this machine's clock is ${formatDuration(aheadMs)} ${aheadMs > 0 ? "behind" : "ahead of"} ${name}`;
}
