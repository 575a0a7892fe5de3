import { formatAgo, formatDuration, formatInstant, isoInstant } from "../domain/time.ts";

/** ms since epoch as ISO 8601, for JSON. */
export function iso(at: number): string;
export function iso(at: number | null): string | null;
export function iso(at: number | null): string | null {
  return at === null ? null : isoInstant(at);
}

/** "in 3 d 4 h", "12 min ago": how far an ISO instant is from now. */
export function fromNow(at: string, now: string): string {
  const distanceMs = Date.parse(at) - Date.parse(now);
  if (Math.abs(distanceMs) < 1_000) return distanceMs > 0 ? "at once" : "just now";
  return distanceMs > 0 ? `in ${formatDuration(distanceMs)}` : `${formatAgo(-distanceMs)}`;
}

/** "12 min ago". Never ahead: the clock of another machine may be, and what was read after `now` is newer than it. */
export function ago(at: string, now: string): string {
  return fromNow(at < now ? at : now, now);
}

/** "2026-11-22 18:40:05Z" of an ISO instant. */
export function spoken(at: string): string {
  return formatInstant(Date.parse(at));
}
