/**
 * `renewd solvers acme.sh --json`: what a dnsapi script of acme.sh says of itself. Foreign text, one bounded line each.
 */
export interface AcmeShReport {
  readonly version: 1;
  readonly script: string;
  readonly title: string | null;
  readonly docs: string | null;
  /** Any one of these sets is enough. */
  readonly sets: readonly (readonly {
    readonly name: string;
    readonly description: string;
    readonly isOptional: boolean;
  }[])[];
}
