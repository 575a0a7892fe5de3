import type { RenewalError } from "../../domain/errors.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../domain/time.ts";
import type { Version } from "../../domain/version.ts";
import { renewalWindow } from "./window.ts";

/**
 * Every ladder by which renewd tries again what failed, in ms: the delay after failure 1, 2, 3 … in a row; the last one
 * repeats. Adapters neither retry nor sleep. Reconnecting to Redis (queue, compose) is no renewal and has its own
 * delays.
 */
export const LADDERS_MS = {
  /**
   * A certificate's renewals, and the steps issue and deploy inside one. The configuration's `retry.backoff` replaces
   * it.
   */
  renewal: [MINUTE_MS, 10 * MINUTE_MS, 100 * MINUTE_MS, DAY_MS],
  /** A renewal that only a person can fix: `retry: never` in the table of errors. */
  person: [DAY_MS],
  /** An expired certificate is an outage: its next renewal and its next step wait no longer, whatever failed. */
  expired: [15 * MINUTE_MS],
  /** After a restore: the endpoints of a certificate could not be dialled. */
  restored: [MINUTE_MS],
  /** A poll of a CA's renewalInfo. A CA wants to be asked twice a day at least (RFC 9773 §4.3.3). */
  renewalInfo: [MINUTE_MS, 10 * MINUTE_MS, HOUR_MS, 6 * HOUR_MS],
  /** Fetching a revocation list, which is otherwise fetched daily. */
  revocationList: [6 * HOUR_MS],
  /** A rehearsal, whatever interval is configured for one that passed. */
  rehearsal: [DAY_MS],
  /** A channel whose receiver does not answer. */
  notification: [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 600_000],
} as const satisfies Readonly<Record<string, readonly number[]>>;

/** The delay after the `failures`-th failure in a row (1-based). */
export function delayOf(ladderMs: readonly number[], failures: number): number {
  return ladderMs[Math.min(Math.max(1, failures), ladderMs.length) - 1] ?? DAY_MS;
}

interface ConfiguredLadder {
  readonly backoffMs: readonly number[];
}

/** As `LADDERS_MS.renewal`, unless configured. */
export function backoffMs(failures: number, settings: ConfiguredLadder): number {
  return delayOf(settings.backoffMs, failures);
}

/** A longer Retry-After of a target is a mistake, and nobody else would try the target meanwhile. */
const TARGET_RETRY_AFTER_MAX_MS = DAY_MS;

/** Below this, a CA's Retry-After is no sign that it knows when there is room again. */
const CREDIBLE_WAIT_MIN_MS = 10 * MINUTE_MS;

/**
 * A wait that a CA or target asks for, with an instant, is no failure and uses up no attempt. A limit without an
 * instant counts as a failure, and so does one that asks for a moment only: otherwise a CA that always says "in a
 * second" would be asked without end. renewd's own budget knows when there is room.
 */
export function asksToWait({ code, facts, retryAt }: RenewalError, now: number): boolean {
  if (facts.class !== "rateLimited" || retryAt === null) return false;
  return code !== "acme.rateLimited" || retryAt - now >= CREDIBLE_WAIT_MIN_MS;
}

export interface FailedAttempt {
  readonly error: RenewalError;
  /** Failed attempts in a row, this one included unless it `asksToWait`. */
  readonly failures: number;
  readonly attemptsMax: number;
  /** Code of the attempt before this one in the same renewal and at the same CA; null: there was none. */
  readonly previousCode: string | null;
  /** No wait is longer, whatever the ladder or a stranger says: `maxBackoffMs` of what is left. */
  readonly waitMaxMs: number;
}

/** When to try a step again; null: not in this renewal. A target that is busy is tried as often as it takes. */
export function retryAt(
  { error, failures, attemptsMax, previousCode, waitMaxMs }: FailedAttempt,
  settings: ConfiguredLadder,
  now: number,
): number | null {
  const ladderMs = backoffMs(failures, settings);
  if (error.facts.retry === "never")
    return isPerhapsPassing(error, previousCode) && failures < attemptsMax
      ? now + Math.min(backoffMs(1, settings), waitMaxMs)
      : null;
  const isUnlimited = asksToWait(error, now) || error.code === "deploy.rateLimited";
  if (!isUnlimited && failures >= attemptsMax) return null;
  const askedMs = Math.max(0, (error.retryAt ?? now) - now);
  const boundedMs = error.facts.class === "target" ? Math.min(askedMs, TARGET_RETRY_AFTER_MAX_MS) : askedMs;
  return now + Math.min(Math.max(boundedMs, ladderMs), waitMaxMs);
}

/**
 * A CA's answer that only a person can change is believed when the next attempt gets it too: one wrong answer of a CA
 * must not cost a day. One that gives another reason each time is asked as often as any other. A refusal of the
 * operator's own request comes from a check of renewd, not from the CA.
 */
function isPerhapsPassing({ code }: RenewalError, previousCode: string | null): boolean {
  return code.startsWith("acme.") && code !== "acme.ownCsr" && code !== previousCode;
}

/**
 * An attempt uses up to this fraction of the time that is left, so that many attempts fit before the certificate
 * expires.
 */
const WAIT_FRACTION_LEFT = 1 / 8;
const WAIT_MIN_MS = MINUTE_MS;
/** Nothing expires, but nothing is served either. */
const WAIT_MAX_WITHOUT_CERTIFICATE_MS = DAY_MS;

/** When the emergency begins does not depend on the policy. */
const ANY_POLICY = { renewAtFractionLeft: null, jitterFraction: 0 };

/**
 * How long the next attempt may be waited for at most, in ms: the less is left of the latest version, the less. Neither
 * a Retry-After nor a ladder is obeyed beyond it, because neither knows when the certificate expires.
 */
export function maxBackoffMs(latest: Pick<Version, "leaf"> | null, now: number): number {
  if (latest === null) return WAIT_MAX_WITHOUT_CERTIFICATE_MS;
  const { expiresAt } = renewalWindow(latest.leaf, ANY_POLICY);
  if (now >= expiresAt) return LADDERS_MS.expired[0];
  return Math.max(WAIT_MIN_MS, (expiresAt - now) * WAIT_FRACTION_LEFT);
}
