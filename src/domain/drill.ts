/** What a drill pretends has just happened to its certificates. */
export const DRILL_SCENARIOS = ["revoked", "expired"] as const;
export type DrillScenario = (typeof DRILL_SCENARIOS)[number];

/** From the beginning of a drill to its end, in order. */
export const DRILL_STAGES = ["detected", "issued", "deployed", "proved"] as const;
export type DrillStage = (typeof DRILL_STAGES)[number];

/** When a certificate of a drill reached each stage, in ms since epoch; null: not yet, or not in time. */
export interface DrillMember extends Readonly<Record<DrillStage, number | null>> {
  readonly certificate: string;
  /** The generation that is replaced. */
  readonly generation: number;
}

/**
 * A replacement that is measured: its selection, issuer, deadline and waves are those of the replacement with the same
 * id. Instants are ms since epoch.
 */
export interface Drill {
  readonly id: string;
  readonly scenario: DrillScenario;
  readonly startedAt: number;
  /** All are proved, or it was cancelled, or its deadline passed; null: it is measured still. */
  readonly finishedAt: number | null;
  readonly members: readonly DrillMember[];
}

export interface DrillStore {
  /** Inserts it or replaces what is known of it. */
  save(drill: Drill): Promise<void>;
  /** Newest first, those that somebody else wrote left out. */
  list(limit: number): Promise<Drill[]>;
  /** Those that are measured still. */
  running(): Promise<Drill[]>;
}
