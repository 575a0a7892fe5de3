import type { RenewalPolicy } from "../../domain/certificate.ts";
import type { RenewalInfoRecord } from "../../domain/renewalInfo.ts";
import { DAY_MS } from "../../domain/time.ts";
import type { Version } from "../../domain/version.ts";
import { renewalWindow } from "./window.ts";

/** After this long without an answer from the CA, the certificate's own window applies again. */
const STALE_MS = 3 * DAY_MS;

/** A CA's window for one version, with the instant chosen in it (RFC 9773 §4.2). */
export interface Suggestion {
  readonly start: number;
  readonly end: number;
  readonly renewAt: number;
  readonly explanationUrl: string | null;
}

/** null: the CA suggests nothing for this version. */
export function suggestionFor(version: Version, info: RenewalInfoRecord | null): Suggestion | null {
  if (info === null || info.generation !== version.generation) return null;
  const { windowStart: start, windowEnd: end, renewAt, explanationUrl } = info;
  return start === null || end === null || renewAt === null ? null : { start, end, renewAt, explanationUrl };
}

/** The CA's window for this version is open: an order that `replaces` it counts against no limit (RFC 9773 §5). */
export function isInsideWindow(version: Version, info: RenewalInfoRecord | null, now: number): boolean {
  const suggestion = suggestionFor(version, info);
  return suggestion !== null && suggestion.start <= now && now < suggestion.end;
}

/** Uniform over the window (RFC 9773 §4.2), so that clients with the same window spread out. `random` is in [0, 1). */
export function chooseInstant(
  { start, end }: { readonly start: number; readonly end: number },
  random: number,
): number {
  return start + Math.floor((end - start) * random);
}

/** When the certificate's own window applies: at its instant, but not while the CA suggests a later one. */
export function ownWindowAt(version: Version, policy: RenewalPolicy, info: RenewalInfoRecord | null): number {
  const { dueAt } = renewalWindow(version.leaf, policy);
  return suggestionFor(version, info) === null ? dueAt : Math.max(dueAt, (info?.polledAt ?? 0) + STALE_MS);
}

/**
 * When time alone makes the certificate due: the CA's suggestion, its own window or the emergency, whichever is first.
 */
export function nextDueAt(version: Version, policy: RenewalPolicy, info: RenewalInfoRecord | null): number {
  const { emergencyAt } = renewalWindow(version.leaf, policy);
  const suggested = suggestionFor(version, info)?.renewAt ?? Number.POSITIVE_INFINITY;
  return Math.min(suggested, ownWindowAt(version, policy, info), emergencyAt);
}
