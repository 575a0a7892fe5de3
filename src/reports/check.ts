/** `renewd check --json`. */
export interface CheckReport {
  readonly version: 1;
  /** No order would be refused; there may be warnings. */
  readonly passed: boolean;
  readonly certificates: readonly string[];
  readonly concerns: readonly CheckEntry[];
}

export interface CheckEntry {
  readonly certificate: string;
  /** null: about the whole order. */
  readonly name: string | null;
  /** The solver that would answer for the name. */
  readonly solver: string | null;
  /** What was checked, such as `name`, `dnssec`, `delegation`, `nameServers`, `credentials`, `http`, `issuer`. */
  readonly check: string;
  readonly result: "warning" | "refused";
  readonly message: string;
}
