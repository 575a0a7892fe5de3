import { NOBODY, type Responsibility, responsibilityLine } from "../domain/responsibility.ts";
import { inertLine, sanitize } from "../domain/text.ts";
import type { WrittenReport } from "../domain/weeklyReport.ts";
import { exerciseWords } from "./exercises.ts";
import { fromNow, spoken } from "./instant.ts";
import type { Listed, WeekEntry, WeekReport } from "./week.ts";

const NAMES_SHOWN_MAX = 3;
const LINE_MAX = 300;

interface Section {
  readonly title: string;
  readonly count: number;
  /** What is foreign in them is inert. */
  readonly lines: readonly string[];
}

/** The report in words: as plain text, and as HTML for mail programs, without images, scripts or links. */
export function weekInWords(report: WeekReport): WrittenReport {
  const { at, from, until, certificates, renewed, failed, alerts } = report;
  const title = `renewd: ${renewed.count} issued, ${failed.count} failed, ${alerts.count} alerts open this week`;
  const fleet = certificates === 1 ? "1 certificate" : `${certificates} certificates`;
  const span = `From ${spoken(from)} to ${spoken(until)}; ${fleet}. What is open is as of ${spoken(at)}.`;
  const sections = sectionsOf(report);
  return { title, text: textOf(span, sections), html: htmlOf(title, span, sections) };
}

function sectionsOf({ at, ...report }: WeekReport): readonly Section[] {
  const ends = (instant: string): string => `${spoken(instant)} (${fromNow(instant, at)})`;
  return [
    section("Failed", report.failed, (entry) => `${happened(entry)}${who(entry.responsibility ?? NOBODY)}`),
    section("Open alerts", report.alerts, ({ alert, severity, what, openedAt, acknowledgedBy }) => {
      const who = acknowledgedBy === null ? "nobody has acknowledged it" : `acknowledged by ${acknowledgedBy}`;
      return `${alert} ${severity}: ${what}; since ${spoken(openedAt)}, ${who}`;
    }),
    section("Issued", report.renewed, happened),
    section("Proved live", report.proved, happened),
    section(
      "Expires next",
      report.expiresNext,
      ({ certificate, expiresAt, responsibility }) => `${certificate}: ${ends(expiresAt)}${who(responsibility)}`,
    ),
    section(
      "What else ends",
      report.horizon,
      ({ subject, what, endsAt, owner, runbook }) =>
        `${subject}, ${what}: ${ends(endsAt)}${who({ ...NOBODY, owner, runbook })}`,
    ),
    section("Drills", report.drills, ({ id, scenario, startedAt, certificates, proved }) => {
      return `${id.slice(0, 8)} (${scenario}), ${spoken(startedAt)}: ${proved} of ${certificates} proved live`;
    }),
    section("Exercises of the alarm", report.exercises, (run) => {
      return `${run.certificate}, ${spoken(run.startedAt)}: ${exerciseWords(run)}`;
    }),
    section("Found, but not managed", report.unmanaged, ({ names, expiresAt }) => {
      const more = names.length > NAMES_SHOWN_MAX ? ` and ${names.length - NAMES_SHOWN_MAX} more` : "";
      return `${names.slice(0, NAMES_SHOWN_MAX).join(", ")}${more}: ${ends(expiresAt)}`;
    }),
  ];
}

function who(responsibility: Responsibility): string {
  const line = responsibilityLine(responsibility);
  return line === null ? "" : ` (${line})`;
}

function happened({ certificate, at, detail }: WeekEntry): string {
  return `${certificate}, ${spoken(at)}: ${detail}`;
}

function section<Entry>(title: string, { count, first }: Listed<Entry>, line: (entry: Entry) => string): Section {
  const more = count > first.length ? [`and ${count - first.length} more`] : [];
  return { title, count, lines: [...first.map((entry) => sanitize(inertLine(line(entry)), LINE_MAX)), ...more] };
}

function textOf(span: string, sections: readonly Section[]): string {
  const parts = sections.map(({ title, count, lines }) => {
    return [`${title}: ${count === 0 ? "none" : count}`, ...lines.map((line) => `  ${line}`)].join("\n");
  });
  return `${[span, ...parts].join("\n\n")}\n`;
}

function htmlOf(title: string, span: string, sections: readonly Section[]): string {
  const parts = sections.map(({ title: heading, count, lines }) => {
    const list = lines.length === 0 ? "" : `<ul>${lines.map((line) => `<li>${escapeHtml(line)}</li>`).join("\n")}</ul>`;
    return `<h2>${escapeHtml(heading)}: ${count === 0 ? "none" : count}</h2>${list}`;
  });
  return [
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title></head><body>`,
    `<p>${escapeHtml(span)}</p>`,
    ...parts,
    "</body></html>",
    "",
  ].join("\n");
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "&#39;");
}
