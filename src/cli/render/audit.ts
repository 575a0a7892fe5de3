import { inert } from "../../domain/text.ts";
import { type AuditReport, isWhole } from "../../reports/audit.ts";
import { paint, type Screen } from "../terminal/style.ts";

const SHOWN_MAX = 50;

const KINDS = {
  altered: "not as it was written",
  missing: "missing",
  foreign: "not written by renewd",
} as const satisfies Record<AuditReport["faults"][number]["kind"], string>;

const HEADS = {
  absent: "no event is sealed: renewd was just upgraded and has written none since, or the seals were removed",
  altered: "the record of which events there must be was altered",
} as const satisfies Record<NonNullable<AuditReport["headProblem"]>, string>;

export function renderAudit(report: AuditReport, screen: Screen): string {
  const { store, events, unsealed, last, headProblem, faults } = report;
  const older = unsealed === 0 ? "" : `; ${unsealed} older than sealing, of which nothing can be said`;
  const counted = `${events} event${events === 1 ? "" : "s"}`;
  if (isWhole(report))
    return `${inert(store)}: ${events === 0 ? "no history yet" : `the history is whole: ${counted}, the last is number ${last}${older}`}`;
  const lines = [
    ...(headProblem === null ? [] : [HEADS[headProblem]]),
    ...faults
      .slice(0, SHOWN_MAX)
      .map(
        ({ kind, from, to }) => `${from === to ? `event ${from} is` : `events ${from} to ${to} are`} ${KINDS[kind]}`,
      ),
    ...(faults.length > SHOWN_MAX ? [`… and ${faults.length - SHOWN_MAX} more; --json lists them all`] : []),
  ];
  return [
    `${inert(store)}: ${paint(screen, "wrong", "the history was changed behind renewd's back")} (${counted}${older})`,
    ...lines.map((line) => `  ${line}`),
    "  what to do: compare with a backup (`renewd restore` into an empty scratch database) and find out who can write to the database",
  ].join("\n");
}
