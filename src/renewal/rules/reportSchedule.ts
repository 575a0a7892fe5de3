import { DAY_MS, MINUTE_MS } from "../../domain/time.ts";
import { WEEKDAYS, type WeeklyReportSettings } from "../../domain/weeklyReport.ts";

/** Two closer than that are one: somebody moved the weekday. */
const APART_MS = 3.5 * DAY_MS;

/**
 * The instant of the report that is to be sent now; null: none is. `last`: that of the last one. A planner that was away
 * for weeks sends one. Pure.
 */
export function dueReport(settings: WeeklyReportSettings, last: number, now: number): number | null {
  const at = lastScheduled(settings, now);
  return at - last >= APART_MS ? at : null;
}

/** The latest instant up to `now` at which a report is scheduled, by the wall clock of the zone. Pure. */
export function lastScheduled({ weekday, minute, timeZone }: WeeklyReportSettings, now: number): number {
  const wall = now + offsetAt(timeZone, now);
  const daysBack = (new Date(wall).getUTCDay() - WEEKDAYS.indexOf(weekday) + 7) % 7;
  const today = Math.floor(wall / DAY_MS) * DAY_MS - daysBack * DAY_MS + minute * MINUTE_MS;
  const found = instantOf(timeZone, today);
  return found <= now ? found : instantOf(timeZone, today - 7 * DAY_MS);
}

/** When the wall clock shows this (as if it were UTC); where it never does, because clocks went forward, shortly after. */
function instantOf(timeZone: string, wall: number): number {
  const near = wall - offsetAt(timeZone, wall);
  return wall - offsetAt(timeZone, near);
}

/** How far the zone's clocks are ahead of UTC, in ms. */
function offsetAt(timeZone: string, at: number): number {
  const format = new Intl.DateTimeFormat("en-GB", {
    ...{ timeZone, hourCycle: "h23", year: "numeric", month: "2-digit" },
    ...{ day: "2-digit", hour: "2-digit", minute: "2-digit" },
  });
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const of = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
  const wall = Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"));
  return wall - Math.floor(at / MINUTE_MS) * MINUTE_MS;
}
