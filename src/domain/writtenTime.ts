import { RenewalError } from "./errors.ts";
import { parseDuration } from "./time.ts";

const UNITS = ["s", "m", "h", "d", "w"] as const;
/** A date, or the instants that renewd itself prints; without a zone they are UTC, as everything renewd prints. */
const INSTANT = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)(Z|[+-]\d{2}:\d{2})?)?$/;

/** `10m` in milliseconds. Throws `request.invalid` naming the option. */
export function durationOption(option: string, text: string): number {
  const durationMs = parseDuration(text, UNITS);
  if (durationMs === null || durationMs === 0)
    throw new RenewalError("request.invalid", `${option}: "${text}" is not a duration such as 30s, 10m or 2h`);
  return durationMs;
}

/** `7d` (that long ago) or a date, as ms since epoch. Throws `request.invalid` naming the option. */
export function pastOption(option: string, text: string, now: number): number {
  const durationMs = parseDuration(text, UNITS);
  return durationMs === null ? instant(option, text) : now - durationMs;
}

/**
 * `2d` (from now) or a date, as ms since epoch. Throws `request.invalid` naming the option, also when it has passed.
 */
export function futureOption(option: string, text: string, now: number): number {
  const durationMs = parseDuration(text, UNITS);
  const at = durationMs === null ? instant(option, text) : now + durationMs;
  if (at <= now) throw new RenewalError("request.invalid", `${option}: "${text}" is not in the future`);
  return at;
}

function instant(option: string, text: string): number {
  const [, date, time = "00:00", zone = "Z"] = INSTANT.exec(text) ?? [];
  const at = Date.parse(`${date}T${time}${zone}`);
  // V8 rolls 2026-02-31 over into March.
  if (date === undefined || Number.isNaN(at) || !new Date(`${date}T00:00Z`).toISOString().startsWith(date)) {
    throw new RenewalError(
      "request.invalid",
      `${option}: "${text.slice(0, 80)}" is neither a duration such as 7d, 12h or 30m nor a date such as 2026-11-01`,
    );
  }
  return at;
}
