import type { Version } from "../../domain/version.ts";
import { EXPIRED_BACKOFF_MAX_MS } from "./backoff.ts";
import { renewalWindow } from "./window.ts";

/** In the last twentieth of a certificate's life a quarter of what is left is waited at most, which leaves several attempts. */
const EMERGENCY_BACKOFF_MIN_MS = 60_000;
/** When the emergency begins is no matter of policy. */
const ANY_POLICY = { renewAtFractionLeft: null, jitterFraction: 0 };

/** How long the next attempt may be waited for at most, in ms: the less is left of the latest version, the less. */
export function patienceMs(latest: Pick<Version, "leaf"> | null, now: number): number {
  if (latest === null) return Number.POSITIVE_INFINITY;
  const { emergencyAt, expiresAt } = renewalWindow(latest.leaf, ANY_POLICY);
  if (now >= expiresAt) return EXPIRED_BACKOFF_MAX_MS;
  return now < emergencyAt ? emergencyAt - now : Math.max(EMERGENCY_BACKOFF_MIN_MS, (expiresAt - now) / 4);
}
