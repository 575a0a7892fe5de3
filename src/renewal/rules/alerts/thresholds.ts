import type { Thresholds } from "../../../domain/alertSettings.ts";
import type { Leaf } from "../../../domain/version.ts";
import { backoffMs, delayOf, LADDERS_MS, maxBackoffMs } from "../backoff.ts";

/** How much time a certificate has left. */
export interface Left {
  /** Of its life, 0 to 1; null: nothing was issued, so nothing can expire. */
  readonly life: number | null;
  /** Renewal attempts that fit before it expires; at most `ATTEMPTS_MAX`. */
  readonly attempts: number | null;
  readonly expiresAt: number | null;
}

/** Nobody needs to know of more. */
const ATTEMPTS_MAX = 99;

export interface Retrying {
  readonly failures: number;
  /** null: at once. */
  readonly nextAttemptAt: number | null;
  /** Each attempt waits for a day: only a person can fix it. */
  readonly needsPerson: boolean;
}

export function leftOf(
  leaf: Pick<Leaf, "notBefore" | "notAfter"> | null,
  retrying: Retrying,
  settings: { readonly backoffMs: readonly number[] },
  now: number,
): Left {
  if (leaf === null) return { life: null, attempts: null, expiresAt: null };
  const lifetimeMs = Math.max(1, leaf.notAfter - leaf.notBefore);
  const life = Math.min(1, Math.max(0, (leaf.notAfter - now) / lifetimeMs));
  return { life, attempts: attemptsLeft(leaf, retrying, settings, now), expiresAt: leaf.notAfter };
}

/** By the same ladder as the planner's: an attempt that takes no time, and fails. */
function attemptsLeft(
  leaf: Pick<Leaf, "notBefore" | "notAfter">,
  { failures, nextAttemptAt, needsPerson }: Retrying,
  settings: { readonly backoffMs: readonly number[] },
  now: number,
): number {
  let at = Math.max(now, nextAttemptAt ?? now);
  let count = 0;
  while (at < leaf.notAfter && count < ATTEMPTS_MAX) {
    count += 1;
    const step = failures + count;
    const ladderMs = needsPerson ? delayOf(LADDERS_MS.person, step) : backoffMs(step, settings);
    at += Math.min(ladderMs, maxBackoffMs({ leaf: { ...EMPTY_LEAF, ...leaf } }, at));
  }
  return count;
}

const EMPTY_LEAF = { serial: "", fingerprint: "", identifiers: [], keyType: null, issuerName: "" } as const;

/** How many thresholds were crossed, the end itself included, and whether one of them was a last one. */
export function crossed(
  { life, attempts, expiresAt }: Left,
  { lifeLeft, attemptsLeft: attemptSteps }: Thresholds,
  now: number,
): { readonly level: number; readonly isLast: boolean } {
  if (life === null || attempts === null) return { level: 0, isLast: false };
  const ended = expiresAt !== null && expiresAt <= now;
  const levels = [
    lifeLeft.filter((step) => life <= step).length,
    attemptSteps.filter((step) => attempts <= step).length,
  ];
  const isLast =
    ended ||
    (lifeLeft.length > 0 && levels[0] === lifeLeft.length) ||
    (attemptSteps.length > 0 && levels[1] === attemptSteps.length);
  return { level: Math.max(...levels) + (ended ? 1 : 0), isLast };
}
