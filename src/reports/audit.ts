import { paint, type Screen } from "../cli/terminal/style.ts";
import { inert } from "../cli/terminal/text.ts";

/** `renewd audit verify --json`. */
export interface AuditReport {
  readonly version: 1;
  readonly store: string;
  readonly events: number;
  /** Events older than sealing, which nothing can be said of. */
  readonly unsealed: number;
  /** Numbers of the first and the last sealed event there must be. */
  readonly firstSealed: number | null;
  readonly last: number | null;
  /** Of the record that says so. */
  readonly headProblem: "absent" | "altered" | null;
  readonly faults: readonly { readonly kind: "altered" | "missing" | "foreign"; readonly from: number; readonly to: number }[];
}

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

export function isWhole({ faults, headProblem }: AuditReport): boolean {
  return faults.length === 0 && headProblem === null;
}

export function renderAudit(report: AuditReport, screen: Screen): string {
  const { store, events, unsealed, last, headProblem, faults } = report;
  const older = unsealed === 0 ? "" : `; ${unsealed} older than sealing, of which nothing can be said`;
  const counted = `${events} event${events === 1 ? "" : "s"}`;
  if (isWhole(report)) return `${inert(store)}: ${events === 0 ? "no history yet" : `the history is whole: ${counted}, the last is number ${last}${older}`}`;
  const lines = [
    ...(headProblem === null ? [] : [HEADS[headProblem]]),
    ...faults.slice(0, SHOWN_MAX).map(({ kind, from, to }) => `${from === to ? `event ${from} is` : `events ${from} to ${to} are`} ${KINDS[kind]}`),
    ...(faults.length > SHOWN_MAX ? [`… and ${faults.length - SHOWN_MAX} more; --json lists them all`] : []),
  ];
  return [
    `${inert(store)}: ${paint(screen, "wrong", "the history was changed behind renewd's back")} (${counted}${older})`,
    ...lines.map((line) => `  ${line}`),
    "  what to do: compare with a backup (`renewd restore` into an empty scratch database) and find out who can write to the database",
  ].join("\n");
}
