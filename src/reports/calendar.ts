import { createHash } from "node:crypto";
import type { Certificate } from "../domain/certificate.ts";
import { DAY_MS } from "../domain/time.ts";
import type { HorizonReportEntry } from "./horizon.ts";
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

const ENTRIES_MAX = 20_000;
/** Octets of a line, without its end (RFC 5545 §3.1). */
const LINE_BYTES_MAX = 75;
const HOUR_MS = DAY_MS / 24;

/** What a calendar shows. */
export interface CalendarContent {
  readonly rows: readonly CertificateRow[];
  readonly freezes: readonly Freezing[];
  readonly ends: readonly Pick<HorizonReportEntry, "subject" | "what" | "endsAt">[];
}

/**
 * Planned renewals, expiries, freezes and what else ends, for calendars (RFC 5545), entry by entry. Only dates: what
 * they are about is seen in renewd. An entry keeps its UID while it moves, so that a calendar moves it too.
 */
export function* icalendar({ rows, freezes, ends }: CalendarContent, now: number): Generator<string> {
  const stamp = utc(now);
  const planned = rows.filter(({ next }) => next.at !== null).sort((a, b) => (a.next.at ?? 0) - (b.next.at ?? 0));
  yield lines(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//renewd//EN", "X-WR-CALNAME:renewd"]);
  for (const { certificate, next } of planned.slice(0, ENTRIES_MAX))
    yield entry(hourFrom("renewal", certificate, next.at ?? now, `${certificate}: ${next.what}`), stamp);
  for (const { certificate, expiresAt } of rows.slice(0, ENTRIES_MAX)) {
    if (expiresAt === null) continue;
    yield entry(hourFrom("expiry", certificate, expiresAt, `${certificate}: expires unless renewed`), stamp);
  }
  for (const { from, until, reason } of freezes)
    yield entry(
      { uid: `freeze-${digest(`${from} ${until} ${reason}`)}`, from, until, text: `Freeze: ${reason}` },
      stamp,
    );
  for (const { subject, what, endsAt } of ends) {
    if (endsAt === null) continue;
    yield entry(hourFrom("end", `${subject} ${what}`, Date.parse(endsAt), `${subject}: ${what} ends`), stamp);
  }
  yield lines(["END:VCALENDAR"]);
}

function hourFrom(kind: string, of: string, from: number, text: string): Entry {
  return { uid: `${kind}-${digest(of)}`, from, until: from + HOUR_MS, text };
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

interface Entry {
  readonly uid: string;
  readonly from: number;
  readonly until: number;
  readonly text: string;
}

function entry({ uid, from, until, text }: Entry, stamp: string): string {
  return lines([
    "BEGIN:VEVENT",
    ...folded(`UID:${uid}@renewd`),
    `DTSTAMP:${stamp}`,
    `DTSTART:${utc(from)}`,
    `DTEND:${utc(until)}`,
    ...folded(`SUMMARY:${escaped(text)}`),
    "END:VEVENT",
  ]);
}

function lines(each: readonly string[]): string {
  return `${each.join("\r\n")}\r\n`;
}

function utc(at: number): string {
  return new Date(at).toISOString().replace(/[-:]|\.\d+/g, "");
}

function escaped(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\\;,]/g, "\\$&")
    .replace(/\p{Cc}/gu, " ");
}

/** By octets, never within a character; each further line begins with a space (RFC 5545 §3.1). */
function folded(line: string): string[] {
  const parts: string[] = [];
  let part = "";
  for (const character of line) {
    if (Buffer.byteLength(part + character) > LINE_BYTES_MAX) {
      parts.push(part);
      part = " ";
    }
    part += character;
  }
  return [...parts, part];
}
