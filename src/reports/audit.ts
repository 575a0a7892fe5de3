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
  readonly faults: readonly {
    readonly kind: "altered" | "missing" | "foreign";
    readonly from: number;
    readonly to: number;
  }[];
}

export function isWhole({ faults, headProblem }: AuditReport): boolean {
  return faults.length === 0 && headProblem === null;
}
