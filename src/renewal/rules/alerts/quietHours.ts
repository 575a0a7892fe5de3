import type { Alert } from "../../../domain/alert.ts";
import type { QuietHours } from "../../../domain/alertSettings.ts";
import { SEVERITIES } from "../../../domain/notification.ts";

/** Whether messages about it wait now. One at a last threshold never does. */
export function isHeldBack(
  { isLast, severity }: Pick<Alert, "isLast" | "severity">,
  quietHours: QuietHours | null,
  now: number,
): boolean {
  if (quietHours === null || isLast || SEVERITIES.indexOf(severity) > SEVERITIES.indexOf(quietHours.holds))
    return false;
  return isQuiet(quietHours, now);
}

export function isQuiet({ fromMinute, untilMinute, timeZone }: QuietHours, now: number): boolean {
  const minute = minuteOfDay(timeZone, now);
  return fromMinute <= untilMinute
    ? minute >= fromMinute && minute < untilMinute
    : minute >= fromMinute || minute < untilMinute;
}

/** Making one takes longer than using it a thousand times. */
const CLOCKS = new Map<string, Intl.DateTimeFormat>();

/** By the wall clock there, daylight saving included. */
function minuteOfDay(timeZone: string, now: number): number {
  const clock =
    CLOCKS.get(timeZone) ??
    new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  CLOCKS.set(timeZone, clock);
  const parts = clock.formatToParts(now);
  const of = (type: "hour" | "minute"): number => Number(parts.find((part) => part.type === type)?.value ?? 0);
  return of("hour") * 60 + of("minute");
}
