import type { RenewalError } from "../../domain/errors.ts";
import { DAY_MS } from "../../domain/time.ts";
import type { Version } from "../../domain/version.ts";
import type { RenewalSettings } from "./settings.ts";
import { renewalWindow } from "./window.ts";

/** An expired certificate waits at most this long for its next renewal, whatever failed and however often. */
export const EXPIRED_BACKOFF_MAX_MS = 900_000;

/** Delay after the `failures`-th failure in a row (1-based): 1 min, 10 min, 100 min, then daily, unless configured. */
export function backoffMs(failures: number, { backoffMs: delays }: RenewalSettings): number {
  return delays[Math.min(failures, delays.length) - 1] ?? DAY_MS;
}

/** A target may ask for patience; one that says "in seventy years" is mistaken, and nobody else would ever look at it again. */
const TARGET_PATIENCE_MS = DAY_MS;

/** Being told until when to wait is not a failure and uses up no attempt; a limit that names no instant is one, or it would be tried for ever. */
export function asksToWait({ facts, retryAt }: RenewalError): boolean {
  return facts.class === "rateLimited" && retryAt !== null;
}

/** When to try a step again; null: never in this renewal. A target that is busy is tried as often as it takes. */
export function retryAt(
  error: RenewalError,
  failures: number,
  attemptsMax: number,
  settings: RenewalSettings,
  now: number,
): number | null {
  const { class: errorClass, retry } = error.facts;
  if (retry === "never") return null;
  const told = errorClass === "target" ? Math.min(error.retryAt ?? 0, now + TARGET_PATIENCE_MS) : (error.retryAt ?? 0);
  if (asksToWait(error) || error.code === "deploy.rateLimited")
    return Math.max(told, now + backoffMs(Math.max(1, failures), settings));
  if (failures >= attemptsMax) return null;
  return Math.max(told, now + backoffMs(failures, settings));
}

/** In the last twentieth of a certificate's life a quarter of what is left is waited at most, which leaves several attempts. */
const EMERGENCY_BACKOFF_MIN_MS = 60_000;

/** When the emergency begins is no matter of policy. */
const ANY_POLICY = { renewAtFractionLeft: null, jitterFraction: 0 };

/** How long the next attempt may be waited for at most, in ms: the less is left of the latest version, the less. */
export function maxBackoffMs(latest: Pick<Version, "leaf"> | null, now: number): number {
  if (latest === null) return Number.POSITIVE_INFINITY;
  const { emergencyAt, expiresAt } = renewalWindow(latest.leaf, ANY_POLICY);
  if (now >= expiresAt) return EXPIRED_BACKOFF_MAX_MS;
  return now < emergencyAt ? emergencyAt - now : Math.max(EMERGENCY_BACKOFF_MIN_MS, (expiresAt - now) / 4);
}
