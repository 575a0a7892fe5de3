/** A record that people create elsewhere, and what DNS says of it now. */
export interface DelegationRecord {
  readonly name: string;
  readonly type: "CNAME" | "NS" | "A" | "AAAA";
  readonly value: string;
  /** `unknown`: no resolver gave a usable answer. */
  readonly state: "right" | "missing" | "wrong" | "unknown";
  /** For `wrong`: what is there instead. */
  readonly found: string | null;
  /** For `unknown`: why. */
  readonly problem: string | null;
}

/** `renewd challenges delegate --json`. */
export interface DelegationReport {
  readonly version: 1;
  readonly solver: string;
  /** To be created in the zone of the certificate's names, by its operator. */
  readonly aliases: readonly DelegationRecord[];
  /** For the parent of the delegated zone; the addresses are glue where the name server is inside the zone. */
  readonly delegation: readonly DelegationRecord[];
}
