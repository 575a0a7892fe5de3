import { Cron } from "croner";
import { z } from "zod";
import type { Freeze } from "../../domain/maintenance.ts";
import { DAY_MS } from "../../domain/time.ts";
import { duration } from "./duration.ts";

const CRON_ADVICE =
  "must be five cron fields (minute, hour, day of month, month, day of week) such as `0 2 * * mon-fri`";
const DATE = /^\d{4}-\d{2}-\d{2}$/;

export const timeZone = z
  .string()
  .refine(isTimeZone, "must be a time zone such as Europe/Berlin or UTC")
  .default("UTC")
  .describe("IANA time zone the times are meant in, daylight saving included.");

const window = z
  .strictObject({
    cron: z
      .string()
      .max(200)
      .refine(isCron, CRON_ADVICE)
      .describe("When it opens: minute, hour, day of month, month, day of week."),
    duration: duration({ min: "1m", max: "7d" }).describe("How long it stays open."),
    timeZone,
  })
  .transform(({ cron, duration: durationMs, timeZone: zone }) => ({ cron, durationMs, timeZone: zone }));

const instant = z
  .string()
  .refine((text) => (DATE.test(text) ? z.iso.date() : z.iso.datetime({ offset: true })).safeParse(text).success, {
    error: "must be a date such as 2026-12-20, or an instant such as 2026-12-20T18:00:00+01:00",
  });

const freeze = z
  .strictObject({
    from: instant.describe("First day, or the instant it begins."),
    until: instant.describe("Last day, which is frozen as well, or the instant it ends."),
    reason: z.string().min(1).max(100).default("freeze").describe("Shown as the reason why a renewal waits."),
    timeZone,
  })
  .transform(
    ({ from, until, reason, timeZone: zone }): Freeze => ({
      from: instantOf(from, zone, 0),
      until: instantOf(until, zone, 1),
      reason,
    }),
  )
  .refine(({ from, until }) => from < until, { error: "ends before it begins", path: ["until"] });

export const maintenanceSchema = z.strictObject({
  windows: z
    .array(window)
    .max(50)
    .optional()
    .describe("Routine renewals begin only inside one of these. Default: at any time."),
  freezes: z.array(freeze).max(100).optional().describe("No routine renewal begins during these."),
});

function isTimeZone(text: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: text });
    return true;
  } catch {
    return false;
  }
}

/** It must also ever come: the 31st of February never does. */
function isCron(text: string): boolean {
  try {
    return !text.includes("@") && new Cron(text, { timezone: "UTC", mode: "5-part" }).nextRun() !== null;
  } catch {
    return false;
  }
}

/** A plain date is a whole day where the operator is; `days` later for the end of it. */
function instantOf(text: string, zone: string, days: number): number {
  if (!DATE.test(text)) return Date.parse(text);
  const date = new Date(Date.parse(text) + days * DAY_MS).toISOString().slice(0, 10);
  return new Cron(`${date}T00:00:00`, { timezone: zone }).nextRun(new Date(0))?.getTime() ?? Number.NaN;
}
