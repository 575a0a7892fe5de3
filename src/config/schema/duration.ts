import { z } from "zod";

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
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
  const [, amount, unit] = DURATION.exec(text) ?? [];
  return Number(amount) * (UNIT_MS[unit ?? ""] ?? Number.NaN);
}
