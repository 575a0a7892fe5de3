import type { AlertRule } from "../../../domain/alert.ts";

/** Reported when it begins and when it ends, and again every few hours in between. */
const PHASED: readonly AlertRule[] = ["clock", "clockDissent", "plannerPart"];
/** Reported once: it has no end of its own. */
export const ONCE: readonly AlertRule[] = [
  ...(["accountReplaced", "historyLost", "windowDistrusted", "windowMoved", "issuerFallback"] as const),
  ...([
    "versionRevoked",
    "certificateOvertaken",
    "instantCorrected",
    "targetDrifted",
    "processFault",
    "discovered",
  ] as const),
];

export function isPhased(rule: AlertRule): boolean {
  return PHASED.includes(rule);
}

/** It is known from events only. */
export function hasNoEnd(rule: AlertRule): boolean {
  return isPhased(rule) || ONCE.includes(rule);
}

/** A wrong clock may have written an instant that is yet to come: what waits for it must not wait for weeks. */
export function elapsed(since: number, now: number): number {
  return since > now ? Number.POSITIVE_INFINITY : now - since;
}
