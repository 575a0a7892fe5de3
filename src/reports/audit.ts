/** `renewd audit verify --json`, and what was found for `renewd audit accept --json`. */
export interface AuditReport {
  readonly version: 1;
  readonly store: string;
  readonly events: number;
  /** Events older than sealing, which nothing can be said of. */
  readonly unsealed: number;
  /** Numbers of the first and the last sealed event there must be. */
  readonly firstSealed: number | null;
  readonly last: number | null;
  /** Retention removed every event up to this number; 0: none. */
  readonly prunedTo: number;
  /** Of the record that says so. */
  readonly headProblem: "absent" | "altered" | null;
  /** The newest event as `number:seal`, to be kept elsewhere for `--head`. */
  readonly head: string | null;
  /** Events that were noted outside the database and are gone. */
  readonly lostHeads: readonly string[];
  /** Rows outside the history, such as `versions www 3`. */
  readonly rows: readonly { readonly row: string; readonly kind: "altered" | "missing" | "contradictory" }[];
  readonly faults: readonly {
    readonly kind: "altered" | "missing" | "foreign";
    readonly from: number;
    readonly to: number;
  }[];
  /** What was found earlier and accepted by a person; none of it is named above again. */
  readonly accepted: readonly AcceptedChange[];
}

export interface AcceptedChange {
  /** ISO 8601. */
  readonly at: string;
  readonly by: string | null;
  readonly reason: string;
  /** Numbers of events, such as `3-7 missing`. */
  readonly events: readonly string[];
  /** Rows, such as `altered versions www 3`. */
  readonly rows: readonly string[];
  /** Noted events that were gone. */
  readonly heads: readonly string[];
  readonly headProblem: string | null;
}

export function isWhole({ faults, headProblem, lostHeads, rows }: AuditReport): boolean {
  return faults.length === 0 && headProblem === null && lostHeads.length === 0 && rows.length === 0;
}

const FAULTS_SHOWN = 3;

/** What is wrong, in one line; "": nothing. */
export function auditFaults(report: AuditReport): string {
  const { faults, headProblem, lostHeads, rows } = report;
  const all = [
    ...(headProblem === null ? [] : [`the record of which events there must be is ${headProblem}`]),
    ...lostHeads.map((head) => `event ${head} is gone`),
    ...faults.map(({ kind, from, to }) =>
      from === to ? `event ${from} is ${kind}` : `events ${from} to ${to} are ${kind}`,
    ),
    ...rows.map(({ row, kind }) => `${row} is ${kind}`),
  ];
  const more = all.length > FAULTS_SHOWN ? `; and ${all.length - FAULTS_SHOWN} more` : "";
  return `${all.slice(0, FAULTS_SHOWN).join("; ")}${more}`;
}
