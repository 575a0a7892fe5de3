import type { ObservedEvery } from "../../domain/applied.ts";
import { CLOCK_SKEW_MAX_MS } from "../../domain/lease.ts";

/** Between two looks at a proved endpoint a look may be late by half the interval, and by a minute at least. */
const LATE_FACTOR = 1.5;
const LATE_MS = 60_000;

/** How old a proof may be while observation keeps its promise. */
export function proofAgeMaxMs(observeMs: number): number {
  return observeMs * LATE_FACTOR + LATE_MS;
}

/**
 * What is promised once this interval is configured. A shorter one than before makes no proof older than was promised:
 * until every endpoint can have been looked at by the new one, proofs are judged by the longer.
 */
export function observedFrom(before: ObservedEvery | null, observeMs: number, now: number): ObservedEvery {
  // Nothing else of what was applied before.
  if (before?.observeMs === observeMs) return { observeMs, observedBefore: before.observedBefore };
  const longest = before === null ? 0 : judgedEvery(before, now);
  if (longest <= observeMs) return { observeMs, observedBefore: null };
  return { observeMs, observedBefore: { observeMs: longest, until: now + proofAgeMaxMs(observeMs) } };
}

/** The interval by which proofs are judged now. An instant beyond what any right clock wrote counts for nothing. */
export function judgedEvery({ observeMs, observedBefore }: ObservedEvery, now: number): number {
  const leftMs = observedBefore === null ? 0 : observedBefore.until - now;
  if (observedBefore === null || leftMs <= 0 || leftMs > proofAgeMaxMs(observeMs) + CLOCK_SKEW_MAX_MS) return observeMs;
  return Math.max(observeMs, observedBefore.observeMs);
}
