import { z } from "zod";
import { WEEKDAYS } from "../../domain/weeklyReport.ts";
import { minute } from "./alerts.ts";
import { timeZone } from "./maintenance.ts";

export const reportSchema = z.strictObject({
  channel: z.string().min(1).max(64).describe("A channel of `notifications` of type `smtp`; its `from` is ignored."),
  weekday: z.enum(WEEKDAYS).default("monday"),
  time: minute.prefault("08:00").describe('Time of day, such as `"08:00"`.'),
  timeZone: timeZone.describe("Whose clock, such as `Europe/Berlin`."),
});
