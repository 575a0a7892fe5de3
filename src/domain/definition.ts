/** A certificate that is defined in the database instead of a file. */
export interface StoredDefinition {
  readonly name: string;
  /** What would be written below its name under `certificates:`. */
  readonly definition: Readonly<Record<string, unknown>>;
  /** ms since epoch. */
  readonly changedAt: number;
  /** `user@host`; null: not known. */
  readonly changedBy: string | null;
}

export interface StoredDefinitions {
  /** Raised by every change, also by a removal; 0: there never was a definition. */
  readonly revision: number;
  /** In the order of their names. */
  readonly definitions: readonly StoredDefinition[];
  /** Names of rows that renewd did not write, or that cannot be read. */
  readonly altered: readonly string[];
}

export interface DefinitionWrite {
  readonly name: string;
  /** null: removes it. */
  readonly definition: StoredDefinition["definition"] | null;
}

export interface DefinitionStore {
  /** 0: there never was one. */
  revision(): Promise<number>;
  list(): Promise<StoredDefinitions>;
  /** When it was removed, and by whom; null: it was not, or never defined. */
  removal(name: string): Promise<Pick<StoredDefinition, "changedAt" | "changedBy"> | null>;
  /**
   * All of them, or none: compare-and-set on the revision. Returns the new revision; null: another change came first.
   * `at` in ms since epoch.
   */
  write(
    writes: readonly DefinitionWrite[],
    terms: { readonly seen: number; readonly at: number; readonly by: string | null },
  ): Promise<number | null>;
}
