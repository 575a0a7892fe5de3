import type { ConfigProblem } from "../config/read/problems.ts";
import type { RenewalError } from "../domain/errors.ts";

const PROBLEMS = new WeakMap<RenewalError, readonly ConfigProblem[]>();

/** Keeps the mistakes behind a `config.invalid`, for output that is not text. */
export function keepProblems(error: RenewalError, problems: readonly ConfigProblem[]): RenewalError {
  PROBLEMS.set(error, problems);
  return error;
}

export function problemsOf(error: RenewalError): readonly ConfigProblem[] {
  return PROBLEMS.get(error) ?? [];
}
