/**
 * How an exercise ended. `unacknowledged`: somebody was notified and nobody acknowledged in time. `unnoticed`: nobody
 * was even notified. `failed`: the certificate could not be broken. `cancelled`: something else put it right, or
 * exercises left the configuration.
 */
export const EXERCISE_OUTCOMES = ["acknowledged", "unacknowledged", "unnoticed", "failed", "cancelled"] as const;
export type ExerciseOutcome = (typeof EXERCISE_OUTCOMES)[number];

/**
 * A certificate that nothing depends on is really broken, to see how long it takes until a person acknowledges the
 * alert. Instants are ms since epoch.
 */
export interface Exercise {
  readonly id: string;
  readonly certificate: string;
  /** Gets the broken pair. */
  readonly target: string;
  /** What the target held before. */
  readonly generation: number;
  readonly startedAt: number;
  /** Who asked for it; null: the schedule. */
  readonly by: string | null;
  /** How long people have to acknowledge, from when the target held the broken pair. */
  readonly withinMs: number;
  /** When the target held the broken pair; null: not yet. */
  readonly brokenAt: number | null;
  /** Why the last try to break it failed; null: none did. */
  readonly problem: string | null;
  /** The alert that it raised; null: none yet. */
  readonly alert: string | null;
  /** Escalation steps that the alert took. */
  readonly step: number;
  /** When people were first notified. */
  readonly notifiedAt: number | null;
  readonly acknowledgedAt: number | null;
  readonly acknowledgedBy: string | null;
  /** Since then it is put right; null: it is broken on purpose. */
  readonly endedAt: number | null;
  /** null until `endedAt`. */
  readonly outcome: ExerciseOutcome | null;
  /** When it was proved live again. */
  readonly finishedAt: number | null;
}

export interface ExerciseStore {
  /** Inserts it or replaces what is known of it. */
  save(exercise: Exercise): Promise<void>;
  /** Newest first, those that somebody else wrote left out. */
  list(limit: number): Promise<Exercise[]>;
  /** Those that are not finished. */
  running(): Promise<Exercise[]>;
}
