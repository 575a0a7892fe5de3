import { z } from "zod";
import { parseDuration } from "../../domain/time.ts";

const UNITS = ["ms", "s", "m"] as const;
const DURATION = /^([1-9]\d{0,5})(ms|s|m)$/;

/** Upper bound of every wait a deployer's options may ask for: a worker must not hang on one target. */
const DURATION_MAX_MS = 30 * 60_000;

/** "500ms", "30s", "2m" in configuration; milliseconds in code. */
export function durationOption(byDefault: string): z.ZodType<number> {
  return z
    .string()
    .regex(DURATION, "give a number and its unit: 500ms, 30s or 2m")
    .default(byDefault)
    .transform(toMs)
    .refine((ms) => ms <= DURATION_MAX_MS, "longer than 30m");
}

function toMs(text: string): number {
  return parseDuration(text, UNITS) ?? Number.NaN;
}
