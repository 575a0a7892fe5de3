import { type Heartbeat, isLive } from "../../domain/heartbeat.ts";
import type { Role } from "../../domain/role.ts";
import { DAY_MS, formatInstant, MINUTE_MS } from "../../domain/time.ts";
import { type Fault, NOWHERE } from "./alerts/faults.ts";

/** A service manager starts it again within seconds, a machine within minutes. */
const LOST_MS = 5 * MINUTE_MS;

/** A process that stopped reporting and did not stop in order. */
export interface LostProcess {
  readonly process: string;
  readonly roles: readonly Role[];
  /** ms since epoch. */
  readonly lastAt: number;
}

type Beat = Pick<Heartbeat, "process" | "role" | "host" | "targets" | "vantage" | "startedAt" | "beatAt" | "stoppedAt">;

/**
 * Processes that died in the last day while others do the same. A newer one on the same machine takes the place of one
 * that died. A role that nobody serves any more is another finding.
 */
export function lostProcesses(beats: readonly Beat[], now: number): LostProcess[] {
  const isAlike = (one: Beat, other: Beat): boolean =>
    one.role === other.role && one.vantage === other.vantage && one.targets.join() === other.targets.join();
  const dead = beats.filter(
    (beat) =>
      beat.stoppedAt === null &&
      !isLive(beat, now) &&
      now - beat.beatAt < DAY_MS &&
      beats.some((each) => isAlike(each, beat) && isLive(each, now)) &&
      !beats.some((each) => each.role === beat.role && each.host === beat.host && each.startedAt > beat.beatAt),
  );
  return [...Map.groupBy(dead, ({ process }) => process)].map(([process, rows]) => ({
    process,
    roles: rows.map(({ role }) => role),
    lastAt: Math.max(...rows.map(({ beatAt }) => beatAt)),
  }));
}

/** A warning for each that stays away: renewals go on, with fewer to do them. */
export function lostProcessFaults(beats: readonly Beat[], now: number): Fault[] {
  return lostProcesses(beats, now)
    .filter(({ lastAt }) => now - lastAt >= LOST_MS)
    .map(({ process, roles, lastAt }) => ({
      ...{ rule: "processLost", certificate: null, place: { ...NOWHERE, subject: process }, code: null },
      ...{ severity: "warning", level: 0, isLast: false, expiresAt: null },
      what:
        `${process} (${roles.join(", ")}) has not reported since ${formatInstant(lastAt)} and did not stop in order; ` +
        "others of its kind run",
      action: "Start it again. If its machine was taken out of service, acknowledge this: it is forgotten after a day.",
    }));
}
