import { beginExercise } from "../renewal/watch/exercise.ts";
import { type ExerciseEntry, exerciseEntry } from "../reports/exercises.ts";
import { type ActionContext, type Decision, optionalReason } from "./context.ts";

/** `renewd alerts exercise --json`. */
export interface ExerciseStartReport extends ExerciseEntry {
  readonly version: 1;
}

/** Breaks the certificate that `exercise` names, now. Throws `request.invalid`. */
export async function startExercise(
  { renewal }: ActionContext,
  { by, reason }: Decision,
): Promise<ExerciseStartReport> {
  const begun = await beginExercise(renewal, { by: by ?? "somebody", why: optionalReason(reason) });
  return { version: 1, ...exerciseEntry(begun) };
}
