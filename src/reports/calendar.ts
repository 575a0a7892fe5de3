import type { Certificate } from "../domain/certificate.ts";
import { DAY_MS } from "../domain/time.ts";
import type { CertificateRow } from "./lists/certificateRow.ts";
import { weekOf, weekStart } from "./lists/week.ts";

const WEEK_MS = 7 * DAY_MS;
export const WEEKS = 26;
/** A certificate is renewed when a third of its life is left. */
const RENEWED_AFTER = 2 / 3;

export interface Week {
  /** Monday, ms since epoch. */
  readonly from: number;
  /** As the certificates' facets `expiresWeek` and `renewsWeek` have it. */
  readonly week: string;
  readonly renews: number;
  readonly expires: number;
  readonly freezes: readonly string[];
}

/** This week and those that follow: what is planned, what would expire, and when nothing routine may begin. */
export function weeksOf(rows: readonly CertificateRow[], freezes: readonly Freezing[], now: number): Week[] {
  const renews = countBy(rows, ({ next }) => next.at);
  const expires = countBy(rows, ({ expiresAt }) => expiresAt);
  return Array.from({ length: WEEKS }, (_, index) => {
    const from = weekStart(now) + index * WEEK_MS;
    const week = weekOf(from);
    return {
      ...{ from, week, renews: renews.get(week) ?? 0, expires: expires.get(week) ?? 0 },
      freezes: freezes.filter((each) => each.from < from + WEEK_MS && each.until > from).map(({ reason }) => reason),
    };
  });
}

function countBy(rows: readonly CertificateRow[], at: (row: CertificateRow) => number | null): Map<string, number> {
  const counts = new Map<string, number>();
  for (const row of rows) {
    const instant = at(row);
    if (instant !== null) counts.set(weekOf(instant), (counts.get(weekOf(instant)) ?? 0) + 1);
  }
  return counts;
}

/** Renewals a week if every certificate lived so long; those that live shorter already stay as they are. */
export function weeklyLoad(rows: readonly CertificateRow[], daysMax: number): number {
  const perWeek = rows.map(({ life }) => {
    const days = life === null ? daysMax : Math.min(daysMax, (life.to - life.from) / DAY_MS);
    return 7 / Math.max(1, days * RENEWED_AFTER);
  });
  return perWeek.reduce((sum, each) => sum + each, 0);
}

export interface Freezing {
  readonly from: number;
  readonly until: number;
  readonly reason: string;
  readonly certificates: number;
}

/** Each freeze of the configuration once, with how many certificates it holds back. */
export function freezesOf(certificates: readonly Certificate[], now: number): Freezing[] {
  const found = new Map<string, Freezing>();
  for (const { maintenance } of certificates) {
    for (const { from, until, reason } of maintenance.freezes) {
      if (until <= now) continue;
      const key = `${from} ${until} ${reason}`;
      found.set(key, { from, until, reason, certificates: (found.get(key)?.certificates ?? 0) + 1 });
    }
  }
  return [...found.values()].sort((a, b) => a.from - b.from);
}

const ENTRIES_MAX = 1_000;
const LINE_MAX = 60;

/** Planned renewals and freezes for calendars (RFC 5545). Only dates: what they are about is seen in renewd. */
export function icalendar(rows: readonly CertificateRow[], freezes: readonly Freezing[], now: number): string {
  const stamp = utc(now);
  const planned = rows.filter(({ next }) => next.at !== null).sort((a, b) => (a.next.at ?? 0) - (b.next.at ?? 0));
  const events = [
    ...planned.slice(0, ENTRIES_MAX).map(({ certificate, next }) => ({
      uid: `renewal-${Buffer.from(certificate).toString("hex").slice(0, 60)}`,
      from: next.at ?? now,
      until: (next.at ?? now) + DAY_MS / 24,
      text: `${certificate}: ${next.what}`,
    })),
    ...freezes.map(({ from, until, reason }, index) => ({
      uid: `freeze-${from}-${index}`,
      from,
      until,
      text: `Freeze: ${reason}`,
    })),
  ];
  const lines = events.flatMap(({ uid, from, until, text }) => [
    "BEGIN:VEVENT",
    `UID:${uid}@renewd`,
    `DTSTAMP:${stamp}`,
    `DTSTART:${utc(from)}`,
    `DTEND:${utc(until)}`,
    ...folded(`SUMMARY:${escaped(text)}`),
    "END:VEVENT",
  ]);
  return ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//renewd//EN", ...lines, "END:VCALENDAR", ""].join("\r\n");
}

function utc(at: number): string {
  return new Date(at).toISOString().replace(/[-:]|\.\d+/g, "");
}

function escaped(text: string): string {
  return text.replace(/[\\;,]/g, "\\$&").replace(/\p{Cc}/gu, " ");
}

function folded(line: string): string[] {
  const parts: string[] = [];
  for (let rest = line; rest !== ""; rest = rest.slice(LINE_MAX))
    parts.push(`${parts.length === 0 ? "" : " "}${rest.slice(0, LINE_MAX)}`);
  return parts;
}
