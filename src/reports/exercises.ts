import type { AlertSettings } from "../domain/alertSettings.ts";
import type { Exercise, ExerciseOutcome } from "../domain/exercise.ts";
import type { Store } from "../domain/store.ts";
import { MINUTE_MS } from "../domain/time.ts";
import { iso } from "./instant.ts";

/** How people answered when a certificate was broken on purpose. Instants are ISO 8601. */
export interface ExercisesReport {
  /** The certificate that is broken; null: none is configured. */
  readonly certificate: string | null;
  /** When the schedule wants the next one; null: none is configured. */
  readonly nextAt: string | null;
  /** Newest first. */
  readonly runs: readonly ExerciseEntry[];
}

export interface ExerciseEntry {
  readonly exercise: string;
  readonly certificate: string;
  readonly target: string;
  /** `begun`: its target is about to be broken. `puttingRight`: it is over, and not proved live again yet. */
  readonly state: "begun" | "broken" | "puttingRight" | "over";
  /** null: it has not ended. */
  readonly outcome: ExerciseOutcome | null;
  readonly startedAt: string;
  /** Who asked for it; null: the schedule. */
  readonly by: string | null;
  readonly brokenAt: string | null;
  /** When the first channel's receiver took a message. */
  readonly notifiedAt: string | null;
  readonly acknowledgedAt: string | null;
  readonly acknowledgedBy: string | null;
  /** From when it was broken until a person acknowledged, to a tenth; null: nobody did. */
  readonly minutes: number | null;
  readonly endedAt: string | null;
  /** When it was proved live again. */
  readonly putRightAt: string | null;
  /** Why it could not be broken; null: it could. */
  readonly problem: string | null;
  /** What `renewd alerts` takes. */
  readonly alert: string | null;
}

const RUNS_MAX = 24;

export async function exercisesReport(
  store: Pick<Store, "exercises">,
  { exercise }: Pick<AlertSettings, "exercise">,
  now: number,
): Promise<ExercisesReport> {
  const runs = await store.exercises.list(RUNS_MAX);
  const [last] = runs;
  const nextAt = exercise === null ? null : Math.max(now, last === undefined ? now : last.startedAt + exercise.everyMs);
  return { certificate: exercise?.certificate ?? null, nextAt: iso(nextAt), runs: runs.map(exerciseEntry) };
}

export function exerciseEntry(run: Exercise): ExerciseEntry {
  const { id, certificate, target, outcome, by, acknowledgedBy, problem, alert } = run;
  return {
    ...{ exercise: id, certificate, target, state: stateOf(run), outcome, startedAt: iso(run.startedAt), by },
    ...{ brokenAt: iso(run.brokenAt), notifiedAt: iso(run.notifiedAt) },
    ...{ acknowledgedAt: iso(run.acknowledgedAt), acknowledgedBy, minutes: minutesOf(run) },
    ...{ endedAt: iso(run.endedAt), putRightAt: iso(run.finishedAt), problem, alert },
  };
}

function stateOf({ brokenAt, endedAt, finishedAt }: Exercise): ExerciseEntry["state"] {
  if (finishedAt !== null) return "over";
  if (endedAt !== null) return "puttingRight";
  return brokenAt === null ? "begun" : "broken";
}

function minutesOf({ brokenAt, acknowledgedAt }: Exercise): number | null {
  if (brokenAt === null || acknowledgedAt === null) return null;
  return Math.round((Math.max(0, acknowledgedAt - brokenAt) / MINUTE_MS) * 10) / 10;
}

/** `acknowledged by anna after 4 min`, for people. */
export function exerciseWords({ state, outcome, minutes, acknowledgedBy, problem }: ExerciseEntry): string {
  if (outcome === "acknowledged") return `acknowledged by ${acknowledgedBy ?? "somebody"} after ${minutes ?? 0} min`;
  if (outcome !== null) return OUTCOMES[outcome];
  return state === "begun" ? `begun${problem === null ? "" : `: ${problem}`}` : "broken: nobody has acknowledged yet";
}

const OUTCOMES: Readonly<Record<Exclude<ExerciseOutcome, "acknowledged">, string>> = {
  unacknowledged: "nobody acknowledged in time",
  unnoticed: "nobody was notified",
  failed: "could not be broken",
  cancelled: "cancelled",
};
