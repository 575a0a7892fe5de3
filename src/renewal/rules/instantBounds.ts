import type { Certificate, CertificateRecord } from "../../domain/certificate.ts";
import type { RenewalInfoRecord } from "../../domain/renewalInfo.ts";
import { DAY_MS, HOUR_MS } from "../../domain/time.ts";
import { IMPORTED, type Version } from "../../domain/version.ts";
import { maxBackoffMs } from "./backoff.ts";
import { expiryWarningAt, renewalWindow } from "./window.ts";

/** Limits of CAs count over a week at most; nothing is served yet that could expire meanwhile. */
const WAIT_MAX_WITHOUT_VERSION_MS = 7 * DAY_MS;
/** The observer comes back within minutes. */
const OBSERVATION_MAX_MS = DAY_MS;
/** A CA is asked for its window once a day at least. */
const POLL_MAX_MS = DAY_MS + HOUR_MS;

/** SQLite keeps a text in a column of numbers, and no comparison with it holds. */
export function isBeyond(at: number, maxAt: number): boolean {
  return !(at <= maxAt);
}

/** How certificates are looked after, in ms. */
export interface LookIntervals {
  readonly observeMs: number;
  readonly rehearseMs: number;
  readonly backoffMs: readonly number[];
}

export function observationMaxAt({ observeMs }: Pick<LookIntervals, "observeMs">, now: number): number {
  return now + Math.max(OBSERVATION_MAX_MS, 2 * observeMs);
}

export function inspectionMaxAt({ observeMs }: Pick<LookIntervals, "observeMs">, now: number): number {
  return now + 2 * observeMs;
}

/** What of the looks at a certificate was put off for too long. */
export function looksBeyond(
  { nextObservationAt, nextRehearsalAt }: Pick<CertificateRecord, "nextObservationAt" | "nextRehearsalAt">,
  intervals: LookIntervals,
  now: number,
): readonly ("nextObservationAt" | "nextRehearsalAt")[] {
  const isObserved = nextObservationAt === null || !isBeyond(nextObservationAt, observationMaxAt(intervals, now));
  const isRehearsed = nextRehearsalAt === null || !isBeyond(nextRehearsalAt, now + 2 * intervals.rehearseMs);
  return [
    ...(isObserved ? [] : (["nextObservationAt"] as const)),
    ...(isRehearsed ? [] : (["nextRehearsalAt"] as const)),
  ];
}

/** A pause may be as long as a person wants. */
export function checksBeyond(
  { nextCheckAt, nextAttemptAt, pausedAt }: Pick<CertificateRecord, "nextCheckAt" | "nextAttemptAt" | "pausedAt">,
  maxAt: number,
): readonly ("nextCheckAt" | "nextAttemptAt")[] {
  if (pausedAt !== null) return [];
  return [
    ...(nextCheckAt === null || isBeyond(nextCheckAt, maxAt) ? (["nextCheckAt"] as const) : []),
    ...(nextAttemptAt !== null && isBeyond(nextAttemptAt, maxAt) ? (["nextAttemptAt"] as const) : []),
  ];
}

/** A version that is valid is asked about until the next one is issued. */
export function isPollRight(
  latest: Pick<Version, "generation" | "leaf"> | null,
  info: Pick<RenewalInfoRecord, "generation" | "nextPollAt"> | null,
  now: number,
): boolean {
  if (latest === null || latest.leaf.notAfter <= now) return true;
  const { generation, nextPollAt = null } = info ?? {};
  return generation === latest.generation && nextPollAt !== null && !isBeyond(nextPollAt, now + POLL_MAX_MS);
}

export interface BoundFacts {
  readonly certificate: Pick<Certificate, "digest" | "policy" | "waves">;
  readonly record: CertificateRecord;
  /** null: there is none. */
  readonly latest: Version | null;
  readonly info: RenewalInfoRecord | null;
}

/**
 * Nothing of a certificate at rest was put off for too long. Of one that is paused, removed, or that another configuration
 * is about, the history has to say so; of a version that is not in use, the older ones.
 */
export function isAtRestWithinBounds(
  { certificate, record, latest, info }: BoundFacts,
  intervals: LookIntervals,
  now: number,
): boolean {
  if (record.digest !== certificate.digest || record.removedAt !== null || record.pausedAt !== null) return false;
  if (latest !== null && !isInUse(latest) && latest.generation > 1) return false;
  const maxAt = nextCheckMaxAt(certificate, latest, waitMaxMs(certificate, latest, intervals, now), now);
  return (
    checksBeyond(record, maxAt).length === 0 &&
    looksBeyond(record, intervals, now).length === 0 &&
    (latest === null || !isInUse(latest) || missedWarningAt(record, latest, now) === null) &&
    isPollRight(latest, info, now)
  );
}

export function isInUse({ verifiedAt, issuer }: Pick<Version, "verifiedAt" | "issuer">): boolean {
  return verifiedAt !== null || issuer === IMPORTED;
}

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
