import { Cron } from "croner";
import type { Maintenance, MaintenanceWindow } from "../../domain/maintenance.ts";
import type { Reason } from "../../domain/renewal.ts";
import { formatInstant } from "../../domain/time.ts";

/**
 * Reasons that can wait for an operator's window. Missing, revoked and expiring certificates cannot wait, nor can
 * drift: it finishes a change that has begun. A request by hand is a person's decision and is never blocked.
 */
const ROUTINE: ReadonlySet<Reason> = new Set([
  "renewalWindow",
  "renewalInfo",
  "identifiersChanged",
  "issuerChanged",
  "keyChanged",
  "targetChanged",
]);

/** Freezes and windows may follow each other; more than this many in a row count as endless. */
const STEPS_MAX = 100;

export interface MaintenanceBlocker {
  readonly blockedBy: "frozen" | "outsideWindow";
  readonly detail: string;
  /** ms since epoch. */
  readonly until: number;
}

/**
 * Why a routine renewal waits for a window or the end of a freeze; null: it need not. Waiting is safe until
 * `safeUntil`. If the wait would last longer, there is no wait at all: the change happens during the freeze either way,
 * and early there is still time to try again. So certificates that live shorter than a freeze renew during it.
 */
export function maintenanceBlocker(
  { windows, freezes }: Maintenance,
  reason: Reason,
  safeUntil: number,
  now: number,
): MaintenanceBlocker | null {
  if (!ROUTINE.has(reason)) return null;
  const freezeAt = (at: number) => freezes.find(({ from, until }) => from <= at && at < until);
  let free = now;
  for (let step = 0; step < STEPS_MAX && free < safeUntil; step++) {
    const freeze = freezeAt(free);
    const next = freeze?.until ?? opening(windows, free);
    if (next === free) break;
    free = next;
  }
  if (free === now || free >= safeUntil) return null;
  const freeze = freezeAt(now);
  return freeze !== undefined
    ? { blockedBy: "frozen", detail: `frozen until ${formatInstant(freeze.until)} (${freeze.reason})`, until: free }
    : {
        blockedBy: "outsideWindow",
        detail: `waits for the maintenance window that opens ${formatInstant(free)}`,
        until: free,
      };
}

/** The first instant from `at` on that is in a window: `at` itself inside one. */
function opening(windows: readonly MaintenanceWindow[], at: number): number {
  if (windows.length === 0) return at;
  return Math.min(...windows.map((window) => Math.max(at, startAfter(window, at - window.durationMs))));
}

/** Parsing costs more than evaluating, and the planner evaluates windows for every due certificate. */
const PARSED = new WeakMap<MaintenanceWindow, Cron>();

function startAfter(window: MaintenanceWindow, at: number): number {
  const cron = PARSED.get(window) ?? new Cron(window.cron, { timezone: window.timeZone, mode: "5-part" });
  PARSED.set(window, cron);
  return cron.nextRun(new Date(at))?.getTime() ?? Number.POSITIVE_INFINITY;
}
