import type { RenewalPolicy } from "../../domain/certificate.ts";
import { DAY_MS } from "../../domain/time.ts";
import { unitHash } from "../../domain/unitHash.ts";
import type { Leaf, Version } from "../../domain/version.ts";

const SHORT_LIFETIME_MS = 10 * DAY_MS;
/** Below this fraction of the lifetime left, nothing delays a renewal any more. */
const EMERGENCY_FRACTION_LEFT = 1 / 20;

export interface RenewalWindow {
  /** First instant at which renewing is sensible. */
  readonly opensAt: number;
  /** This certificate's own instant in the window, spread so that a fleet issued together does not renew together. */
  readonly dueAt: number;
  readonly emergencyAt: number;
  readonly expiresAt: number;
}

/**
 * By fraction of the lifetime, not days, so that one-hour and 398-day certificates work alike. Without a configured
 * fraction: a third of the lifetime left, or half for lifetimes below ten days (Let's Encrypt's integration guide).
 * Instants are ms since epoch.
 */
export function renewalWindow(
  leaf: Pick<Leaf, "notBefore" | "notAfter" | "fingerprint">,
  policy: RenewalPolicy,
): RenewalWindow {
  const lifetimeMs = Math.max(0, leaf.notAfter - leaf.notBefore);
  const fraction = policy.renewAtFractionLeft ?? (lifetimeMs < SHORT_LIFETIME_MS ? 1 / 2 : 1 / 3);
  const opensAt = leaf.notAfter - lifetimeMs * fraction;
  const emergencyAt = leaf.notAfter - lifetimeMs * EMERGENCY_FRACTION_LEFT;
  const spreadMs = Math.max(0, emergencyAt - opensAt) * policy.jitterFraction;
  return {
    opensAt,
    dueAt: Math.min(opensAt + spreadMs * unitHash(leaf.fingerprint), emergencyAt),
    emergencyAt,
    expiresAt: leaf.notAfter,
  };
}

/**
 * When people are warned that no newer version is in use: after a tenth of the emergency, so that the emergency renewal
 * itself has had time to succeed.
 */
export function expiryWarningAt(leaf: Pick<Leaf, "notBefore" | "notAfter">): number {
  const emergencyMs = Math.max(0, leaf.notAfter - leaf.notBefore) * EMERGENCY_FRACTION_LEFT;
  return Math.ceil(leaf.notAfter - emergencyMs * 0.9);
}

/** BullMQ's largest priority number is 2^21 - 1; smaller is more urgent. */
const PRIORITY_MAX = 2_000_000;

/** Minutes left before expiry: the certificate that expires first goes first. Most urgent: there is none yet. */
export function runwayPriority(version: Version | null, now: number): number {
  if (version === null) return 1;
  return Math.min(PRIORITY_MAX, Math.max(1, Math.floor((version.leaf.notAfter - now) / 60_000)));
}

/** Somebody asked for this one and waits: behind emergencies, before the members of a replacement, which are many. */
export const PERSON_PRIORITY = 45;
