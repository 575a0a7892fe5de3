import type { RenewalPolicy } from "../../domain/certificate.ts";
import type { RenewalInfo, RenewalInfoRecord } from "../../domain/renewalInfo.ts";
import { DAY_MS, HOUR_MS } from "../../domain/time.ts";
import type { Leaf, Version } from "../../domain/version.ts";
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

/**
 * From here on it is the CA's fault: one replacement was asked for and delivered, and is to be replaced again at once.
 */
const OVERDUE_MAX = 2;

/**
 * Fresh versions were to be replaced at once too often: the CA's windows are ignored and the certificate's own applies.
 */
export function isDistrusted({ overdueInRow }: Pick<RenewalInfoRecord, "overdueInRow">): boolean {
  return overdueInRow >= OVERDUE_MAX;
}

const ORDER_INTERVAL_MIN_MS = HOUR_MS;

/**
 * No version follows another sooner because of the CA's window: a tenth of its life, or an hour for short-lived ones.
 */
function orderIntervalMs({ notBefore, notAfter }: Lifetime): number {
  const lifetimeMs = Math.max(0, notAfter - notBefore);
  return Math.min(Math.max(ORDER_INTERVAL_MIN_MS, lifetimeMs / 10), lifetimeMs / 4);
}

type Lifetime = Pick<Leaf, "notBefore" | "notAfter">;
type Window = Pick<RenewalInfo, "start" | "end">;

/**
 * What makes a window useless for a certificate; null: nothing. A window that is over is none of these: CAs move
 * windows into the past to have certificates replaced at once (RFC 9773 §4.2).
 */
export function windowFault({ start, end }: Window, { notBefore, notAfter }: Lifetime, now: number): string | null {
  if (end <= start) return "a window that does not end after its start";
  if (end > notAfter) return "a window that ends after the certificate expires";
  if (start < notBefore && end > now) return "a window that begins before the certificate";
  return null;
}

/**
 * `overdueInRow` after a poll that returned `window`: versions in a row that the CA wanted replaced while they were
 * fresh, be it at the first poll, a moment after it, or because it moved their window. Only one that got old with a
 * window that stays in the future ends the row.
 */
export function countOverdue(
  info: Pick<RenewalInfoRecord, "overdueInRow" | "polledAt" | "windowStart">,
  window: Window,
  leaf: Lifetime,
  now: number,
): number {
  const freshUntil = leaf.notBefore + orderIntervalMs(leaf);
  const { overdueInRow, polledAt, windowStart } = info;
  if (now >= freshUntil) {
    // One that moves along with time is never sound, although it may lie in the future when it is asked for.
    const isSound = window.start > now && window.start === windowStart;
    return isSound || polledAt === null ? 0 : overdueInRow;
  }
  if (window.start >= freshUntil) return overdueInRow;
  const isCounted = polledAt !== null && windowStart !== null && windowStart < freshUntil;
  return isCounted ? overdueInRow : overdueInRow + 1;
}

/** null: the CA suggests nothing for this version, or nothing that is believed. */
export function suggestionFor(version: Version, info: RenewalInfoRecord | null): Suggestion | null {
  if (info === null || info.generation !== version.generation || isDistrusted(info)) return null;
  const { windowStart: start, windowEnd: end, renewAt, explanationUrl, orderedAt } = info;
  if (start === null || end === null || renewAt === null) return null;
  const notBefore = orderedAt === null ? renewAt : orderedAt + orderIntervalMs(version.leaf);
  return { start, end, renewAt: Math.max(renewAt, notBefore), explanationUrl };
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
