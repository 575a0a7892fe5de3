import { z } from "zod";
import { parseDuration } from "../../domain/time.ts";

const UNITS = ["ms", "s", "m", "h", "d"] as const;
export const DURATION = /^([1-9]\d{0,8})(ms|s|m|h|d)$/;
const ADVICE = "must be a whole number with its unit, such as 500ms, 60s, 5m, 2h or 1d";

/** `60s` in the file, milliseconds in code; bounded, because nothing in renewd waits without end. */
export function duration({ min, max }: { readonly min: string; readonly max: string }) {
  return z
    .string({ error: (issue) => (issue.input === undefined ? undefined : ADVICE) })
    .regex(DURATION, { error: ADVICE, abort: true })
    .refine((text) => toMs(text) >= toMs(min), `must be at least ${min}`)
    .refine((text) => toMs(text) <= toMs(max), `must be at most ${max}`)
    .transform(toMs);
}

function toMs(text: string): number {
  return parseDuration(text, UNITS) ?? Number.NaN;
}
