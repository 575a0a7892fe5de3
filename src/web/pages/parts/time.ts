import { html } from "hono/html";
import { DAY_MS, formatDuration, formatInstant, HOUR_MS, MINUTE_MS } from "../../../domain/time.ts";
import type { Html } from "./markup.ts";

/** "in 3 d 4 h", "12 min ago", with the instant itself for people and programs. */
export function relative(at: number | null, now: number, otherwise = "–"): Html {
  if (at === null) return html`<span class="quiet">${otherwise}</span>`;
  return html`<time datetime="${new Date(at).toISOString()}"
    title="${formatInstant(at)}">${spokenDistance(at, now)}</time>`;
}

export function spokenDistance(at: number, now: number): string {
  const distanceMs = at - now;
  if (Math.abs(distanceMs) < 1_000) return "now";
  return distanceMs > 0 ? `in ${short(distanceMs)}` : `${short(distanceMs)} ago`;
}

/** The largest unit is enough where many are read one after another. */
export function short(durationMs: number): string {
  const ms = Math.abs(durationMs);
  if (ms >= 10 * DAY_MS) return `${Math.floor(ms / DAY_MS)} d`;
  if (ms >= 10 * HOUR_MS && ms < DAY_MS) return `${Math.floor(ms / HOUR_MS)} h`;
  if (ms >= 2 * MINUTE_MS && ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min`;
  return formatDuration(ms).replace(/([1-9]\d*)\.\d+ s/, "$1 s");
}

/** "2026-11-28 12:00:03Z" */
export function instant(at: number): Html {
  return html`<time datetime="${new Date(at).toISOString()}">${formatInstant(at)}</time>`;
}

/** "28 Nov 14:20": for the same year. UTC, as everywhere. */
export function clockTime(at: number): Html {
  const text = formatInstant(at);
  return html`<time datetime="${new Date(at).toISOString()}" title="${text}">${text.slice(11, 19)}</time>`;
}

export function day(at: number): Html {
  const text = new Date(at).toISOString().slice(0, 10);
  return html`<time datetime="${text}">${text}</time>`;
}

/** A validity: certificates of 90 days often last a second less. */
export function lifetime(durationMs: number): string {
  return durationMs >= 2 * DAY_MS ? `${Math.round(durationMs / DAY_MS)} d` : short(durationMs);
}
