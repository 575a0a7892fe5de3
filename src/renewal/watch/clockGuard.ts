import { raceAbort } from "../../domain/abort.ts";
import type { Clock } from "../../domain/clock.ts";
import { RenewalError } from "../../domain/errors.ts";
import { HOUR_MS } from "../../domain/time.ts";
import { type ClockVerdict, type ClockWitness, type Dissent, isConfirmed, judgeClock } from "../rules/clock.ts";

const MEASURE_EVERY_MS = 10 * 60_000;
/** While something is wrong. */
const MEASURE_AGAIN_MS = 5_000;
/** Witnesses answer within ten seconds or not at all. */
const MEASURE_MAX_MS = 20_000;
/** The wall clock moved against the monotonic one: somebody stepped it. */
const STEP_MS = 60_000;
const REPEAT_MS = HOUR_MS;

export interface ClockGuard {
  /**
   * Throws `clock.skewed` while this machine's clock cannot be trusted: nothing must be decided or written by it. With
   * an issuer also `acme.clock`, while that issuer's CA is the one whose clock is wrong.
   */
  check(signal: AbortSignal, issuer?: string): Promise<void>;
}

export interface ClockGuardOptions {
  readonly clock: Clock;
  /** What other clocks say about ours; empty when none can be asked now. */
  readonly witnesses: (signal: AbortSignal) => Promise<readonly ClockWitness[]>;
  /** When renewd last wrote to the database, about. */
  readonly lastWriteAt: () => Promise<number | null>;
  /** Called every hour while something is wrong: a machine that says nothing more is gone. */
  readonly onRepeat?: (verdict: ClockVerdict) => Promise<void>;
  /** Called after the first verdict, and after each that says something new. */
  readonly onChange: (verdict: ClockVerdict, before: ClockVerdict | null) => Promise<void>;
}

interface Measured {
  readonly at: number;
  readonly offset: number;
  /** The offset when the clock was last believed. */
  readonly believedOffset: number;
  readonly verdict: ClockVerdict;
}

/**
 * A clock 40 days ahead makes the whole fleet look expired, one behind hides what expires: both would be acted upon at
 * once and everywhere. Asks the witnesses every ten minutes, and at once when the clock was stepped.
 */
export function createClockGuard(options: ClockGuardOptions): ClockGuard {
  const { clock, witnesses, lastWriteAt, onChange, onRepeat } = options;
  let measured: Measured | null = null;
  let reportedAt = 0;
  let confirmedAt: number | null = null;
  const offsetNow = (): number => clock.now() - clock.monotonic();

  async function measure(signal: AbortSignal): Promise<ClockVerdict> {
    const offset = offsetNow();
    const steppedMs = measured === null ? 0 : offset - measured.believedOffset;
    const own = { now: clock.now(), steppedMs, lastWriteAt: await lastWriteAt(), confirmedAt };
    const before = measured?.verdict ?? null;
    const answers = await witnesses(signal);
    const judged = judgeClock(answers, own);
    if (judged.problem === null && isConfirmed(answers)) confirmedAt = Math.max(confirmedAt ?? 0, own.now);
    // While nobody can be asked, what was found before stays.
    const verdict = judged.asked || judged.problem !== null || before === null ? judged : { ...before, asked: false };
    const isBelieved = measured === null || (judged.asked && verdict.problem === null);
    const believedOffset = isBelieved ? offset : (measured?.believedOffset ?? offset);
    measured = { at: clock.monotonic(), offset, believedOffset, verdict };
    const isNews = before === null || textOf(verdict) !== textOf(before);
    if (!isNews && !(isInDoubt(verdict) && clock.monotonic() - reportedAt >= REPEAT_MS)) return verdict;
    reportedAt = clock.monotonic();
    await (isNews ? onChange(verdict, before) : onRepeat?.(verdict));
    return verdict;
  }

  let measuring: Promise<ClockVerdict> | null = null;
  /** Many jobs ask at the same moment: the witnesses are asked once, although one of the jobs may be aborted. */
  const measureOnce = (): Promise<ClockVerdict> => {
    measuring ??= measure(AbortSignal.timeout(MEASURE_MAX_MS)).finally(() => {
      measuring = null;
    });
    return measuring;
  };

  const isStale = ({ at, offset, verdict }: Measured): boolean => {
    return (
      clock.monotonic() - at >= (isInDoubt(verdict) ? MEASURE_AGAIN_MS : MEASURE_EVERY_MS) ||
      Math.abs(offsetNow() - offset) > STEP_MS
    );
  };

  return {
    async check(signal, issuer) {
      const verdict = measured === null || isStale(measured) ? await raceAbort(signal, measureOnce) : measured.verdict;
      if (verdict.problem !== null) throw new RenewalError("clock.skewed", verdict.problem);
      const own =
        issuer === undefined ? undefined : verdict.dissents.find(({ witness }) => witness.issuers.includes(issuer));
      if (own !== undefined) throw new RenewalError("acme.clock", own.message);
    },
  };
}

function isInDoubt({ problem, dissents }: ClockVerdict): boolean {
  return problem !== null || dissents.length > 0;
}

/** Another word of the same clock. */
export function dissentKey({ witness, stopsIssuing }: Dissent): string {
  return `${witness.origin} ${stopsIssuing}`;
}

/** Amounts change with every measurement; who says it does not. */
function textOf({ problem, dissents }: ClockVerdict): string {
  return JSON.stringify([problem !== null, dissents.map((dissent) => dissentKey(dissent)).sort()]);
}
