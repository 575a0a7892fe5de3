import type { Certificate, CertificateRecord } from "../../domain/certificate.ts";
import { DAY_MS, HOUR_MS } from "../../domain/time.ts";
import type { Version } from "../../domain/version.ts";
import { maxBackoffMs } from "./backoff.ts";
import { expiryWarningAt, renewalWindow } from "./window.ts";

/** Limits of CAs count over a week at most; nothing is served yet that could expire meanwhile. */
const WAIT_MAX_WITHOUT_VERSION_MS = 7 * DAY_MS;

/** No back-off, Retry-After or soak time makes a certificate wait longer from now on. */
export function waitMaxMs(
  certificate: Pick<Certificate, "waves">,
  latest: Version | null,
  { backoffMs }: { readonly backoffMs: readonly number[] },
  now: number,
): number {
  const least = latest === null ? WAIT_MAX_WITHOUT_VERSION_MS : DAY_MS;
  const baking = certificate.waves.map((wave) => wave.bakeMs);
  return Math.max(least, maxBackoffMs(latest, now), ...backoffMs, ...baking);
}

/** The planner never puts off its next check beyond this, except for a pause. */
export function nextCheckMaxAt(
  certificate: Pick<Certificate, "policy">,
  latest: Version | null,
  waitMs: number,
  now: number,
): number {
  const emergencyAt = latest === null ? now : renewalWindow(latest.leaf, certificate.policy).emergencyAt;
  return Math.max(emergencyAt, now + waitMs);
}

/** When people are to be warned of the version in use; null: `record` says so, or the version has expired. */
export function missedWarningAt(
  { expiryWarningAt: planned }: Pick<CertificateRecord, "expiryWarningAt">,
  inUse: Pick<Version, "leaf">,
  now: number,
): number | null {
  const warningAt = expiryWarningAt(inUse.leaf);
  if (now >= inUse.leaf.notAfter) return null;
  // After the first warning the next one is at the expiry, or a little later where it could not be judged.
  const maxAt = now < warningAt ? warningAt : inUse.leaf.notAfter + HOUR_MS;
  return planned !== null && planned <= maxAt ? null : warningAt;
}
