export const HORIZON_KINDS = ["token", "certificate", "trust", "domain", "signatures", "account", "declared"] as const;
export type HorizonKind = (typeof HORIZON_KINDS)[number];

/** Something beside certificates that renewd serves whose end breaks a renewal. Instants are ms since epoch. */
export interface CredentialEnd {
  /** Such as `API token`, where a source has several. */
  readonly what: string;
  /** null: it has no end. */
  readonly ends: number | null;
  /** When it was made or renewed last; null: nobody says. */
  readonly begins: number | null;
  /** What else is known, one line; null: nothing. */
  readonly note: string | null;
}

export interface HorizonSubject {
  readonly kind: HorizonKind;
  /** What it belongs to, such as `target vault`, `domain example.org`; unique with `what`. */
  readonly subject: string;
  readonly owner: string | null;
  readonly runbook: string | null;
}

/** Where ends are read from. */
export interface HorizonSource extends HorizonSubject {
  /** Changes nothing. Throws a RenewalError that says why the end cannot be read. */
  look(signal: AbortSignal): Promise<readonly CredentialEnd[]>;
}

/** What was read last of one end. */
export interface HorizonEntry extends HorizonSubject, CredentialEnd {
  readonly checkedAt: number;
  /** Why the last look found nothing: the end is that of an earlier one; null: it is as shown. */
  readonly problem: string | null;
}

export interface HorizonStore {
  /** Of this subject there are these and no others. */
  replace(subject: string, entries: readonly HorizonEntry[]): Promise<void>;
  /** By their ends, those without one last; what somebody else wrote is left out. */
  list(): Promise<HorizonEntry[]>;
  /** Removes what belongs to none of these. */
  keep(subjects: readonly string[]): Promise<void>;
}
