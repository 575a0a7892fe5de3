import { inert } from "../../domain/text.ts";
import { type AuditReport, isWhole } from "../../reports/audit.ts";
import { spoken } from "../../reports/instant.ts";
import { paint, type Screen } from "../terminal/style.ts";

const SHOWN_MAX = 50;

const KINDS = {
  altered: "not as it was written",
  missing: "missing",
  foreign: "not written by renewd",
} as const satisfies Record<AuditReport["faults"][number]["kind"], string>;

const ROWS = {
  altered: "is not as renewd wrote it",
  missing: "is missing: the history has it",
  contradictory: "is not what the history says",
} as const satisfies Record<AuditReport["rows"][number]["kind"], string>;

const ACTION = [
  "  what to do: compare with a backup (`renewd restore` into an empty scratch database)",
  "  and find out who can write to the database; then `renewd audit accept` goes on from there",
];

export function renderAudit(report: AuditReport, screen: Screen): string {
  const { store, events, unsealed, last, prunedTo, head, lostHeads, faults, rows } = report;
  const older = unsealed === 0 ? "" : `; ${unsealed} older than sealing, of which nothing can be said`;
  const pruned = prunedTo === 0 ? "" : `; retention removed those up to number ${prunedTo}`;
  const counted = `${events} event${events === 1 ? "" : "s"}`;
  if (isWhole(report)) {
    const whole = `the history is whole: ${counted}, the last is number ${last}${older}${pruned}`;
    const keep = head === null ? "" : `\n  keep this elsewhere, for --head: ${head}`;
    return [`${inert(store)}: ${whole}${keep}`, ...acceptedLines(report)].join("\n");
  }
  const lines = [
    ...headLines(report),
    ...lostHeads.map((lost) => `event ${lost} was noted and is gone: the history was put back or deleted`),
    ...listed(faults, ({ kind, from, to }) => {
      const which = from === to ? `event ${from} is` : `events ${from} to ${to} are`;
      return `${which} ${KINDS[kind]}`;
    }),
    ...listed(rows, ({ row, kind }) => `${inert(row)} ${ROWS[kind]}`),
  ];
  const verdict = paint(screen, "wrong", isEmpty(report) ? EMPTY : "the database was changed behind renewd's back");
  const found = [`${inert(store)}: ${verdict} (${counted}${older})`, ...lines.map((line) => `  ${line}`)];
  return [...found, ...ACTION, ...acceptedLines(report)].join("\n");
}

const EMPTY = "nothing is proved";

/** It may never have run, as far as the database says. */
function isEmpty({ events, lostHeads, faults, rows }: AuditReport): boolean {
  return events === 0 && lostHeads.length + faults.length + rows.length === 0;
}

export function renderAccepted(report: AuditReport): string {
  if (isWhole(report)) return `${inert(report.store)}: the history is whole: there is nothing to accept`;
  return `${inert(report.store)}: accepted and recorded; \`renewd audit verify\` lists it from now on`;
}

function acceptedLines({ accepted }: AuditReport): string[] {
  return accepted.map(({ at, by, reason, events, rows, heads, headProblem }) => {
    const parts = [...(headProblem === null ? [] : [`record ${headProblem}`]), ...events, ...rows, ...heads];
    const shown = parts.slice(0, SHOWN_MAX).join(", ");
    return `  accepted ${spoken(at)}${by === null ? "" : ` by ${inert(by)}`} (${inert(reason)}): ${inert(shown)}`;
  });
}

function headLines({ headProblem, events }: AuditReport): string[] {
  if (headProblem === null) return [];
  if (headProblem === "altered") return ["the record of which events there must be was altered"];
  if (events === 0) return ["there is no history: renewd has never run with this database, or all of it was deleted"];
  return ["no event is sealed: renewd was just upgraded and has written none since, or the seals were removed"];
}

function listed<Fault>(faults: readonly Fault[], line: (fault: Fault) => string): string[] {
  const more = faults.length - SHOWN_MAX;
  return [...faults.slice(0, SHOWN_MAX).map(line), ...(more > 0 ? [`… and ${more} more; --json lists them all`] : [])];
}
