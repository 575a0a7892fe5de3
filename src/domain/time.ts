export const SECOND_MS = 1_000;
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

/** Units of durations as people write them: `500ms`, `30s`, `10m`, `2h`, `1d`, `1w`. */
const WRITTEN_UNITS = {
  ms: 1,
  s: SECOND_MS,
  m: MINUTE_MS,
  h: HOUR_MS,
  d: DAY_MS,
  w: 7 * DAY_MS,
} as const;
export type DurationUnit = keyof typeof WRITTEN_UNITS;

/** No configured duration is longer: instants far beyond a century are no valid dates any more. */
const DURATION_MAX_MS = 36_500 * DAY_MS;

/** `10m` in milliseconds; null: not a whole number with one of these units, or more than a century. */
export function parseDuration(text: string, units: readonly DurationUnit[]): number | null {
  const [, amount, written] = /^(\d{1,9})([a-z]{1,2})$/.exec(text) ?? [];
  const unit = units.find((each) => each === written);
  const durationMs = unit === undefined ? Number.NaN : Number(amount) * WRITTEN_UNITS[unit];
  return durationMs <= DURATION_MAX_MS ? durationMs : null;
}

const SPOKEN_UNITS = [
  ["d", DAY_MS],
  ["h", HOUR_MS],
  ["min", MINUTE_MS],
  ["s", SECOND_MS],
] as const;

/** "3 d 4 h", "12 min 5 s", "0.4 s", "12 ms": the two largest units, for people. */
export function formatDuration(durationMs: number): string {
  const ms = Math.abs(durationMs);
  // As a tenth of a second it would be "0.0 s", which says nothing.
  if (ms < 100) return `${Math.round(ms)} ms`;
  if (ms < 9_950) return `${(ms / SECOND_MS).toFixed(1)} s`;
  let rest = Math.max(ms, 10_000);
  const largest = SPOKEN_UNITS.findIndex(([, size]) => rest >= size);
  const parts: string[] = [];
  for (const [unit, size] of SPOKEN_UNITS.slice(largest, largest + 2)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count} ${unit}`);
  }
  return parts.join(" ");
}

/** "12 min ago" of a time that has passed. What has only just happened needs no number. */
export function formatAgo(durationMs: number): string {
  return durationMs < SECOND_MS ? "moments ago" : `${formatDuration(durationMs)} ago`;
}

const INSTANT_MAX_MS = 8_640_000_000_000_000;

/**
 * ISO 8601. A row that others wrote may hold an instant that is none: it must not keep all the others from being shown.
 */
export function isoInstant(at: number): string {
  return new Date(Math.min(Math.max(at, -INSTANT_MAX_MS), INSTANT_MAX_MS)).toISOString();
}

/** "2026-11-22 18:40:05Z": sortable, unambiguous, without the noise of milliseconds. */
export function formatInstant(at: number): string {
  return isoInstant(at)
    .replace("T", " ")
    .replace(/\.\d+Z$/, "Z");
}

/**
 * The instant (ms since epoch) that a Retry-After header names, in seconds or as a date (RFC 9110 §10.2.3), never later
 * than `maxMs` from now: a stranger's header must not silence renewd for years. null: none, or none that makes sense.
 */
export function retryAfterInstant(
  header: string | undefined,
  { now, maxMs }: { now: number; maxMs: number },
): number | null {
  if (header === undefined) return null;
  const at = /^\s*\d+\s*$/.test(header) ? now + Number(header) * SECOND_MS : Date.parse(header);
  return Number.isNaN(at) ? null : Math.min(Math.max(at, now), now + maxMs);
}
