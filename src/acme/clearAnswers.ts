import { raceAbort } from "../domain/abort.ts";
import { RenewalError, toRenewalError } from "../domain/errors.ts";
import type { ChallengeResponse, NamedSolver, OrderProgress, Solver } from "../domain/issuer.ts";
import { solversFor } from "../domain/solverChoice.ts";
import { authorizationSchema, offeredChallenge } from "./authorizationObject.ts";
import { problemOf } from "./problem.ts";
import type { Session } from "./session.ts";
import { withWildcard } from "./solverChoice.ts";

/** Clean-up has its own time: it also runs when the attempt's signal is already aborted. */
const CLEAN_UP_TIMEOUT_MS = 30_000;

/** An order whose challenges may have been answered. */
export interface AnsweredOrder {
  readonly session: Session;
  /** Authorization URLs of the order. */
  readonly authorizations: readonly string[];
  readonly solvers: readonly NamedSolver[];
  readonly progress: OrderProgress;
}

/** An answer that may be published. */
export interface GivenAnswer {
  readonly response: ChallengeResponse;
  readonly solver: Solver;
}

/**
 * Removes the answers of a worker that died between presenting and cleaning up. Called when its order is resumed or
 * given up. `signal` ends it early.
 */
export async function clearEarlierAnswers(challenges: AnsweredOrder, signal?: AbortSignal): Promise<void> {
  const { session, authorizations, solvers, progress } = challenges;
  const left: GivenAnswer[] = [];
  for (const url of authorizations) {
    const parsed = authorizationSchema.safeParse((await session.post("return an authorization", url, null)).data);
    if (parsed.data === undefined) continue;
    const { identifier, wildcard } = parsed.data;
    for (const { solver } of solversFor(solvers, withWildcard(identifier, wildcard))) {
      const token = offeredChallenge(parsed.data, solver.challengeType)?.token;
      if (token === undefined || token === null) continue;
      left.push({ solver, response: { identifier, token, keyAuthorization: await session.keyAuthorization(token) } });
    }
  }
  await cleanUp(progress, left, signal);
}

/**
 * As `clearEarlierAnswers`, of an order that is given up: what the CA says of it, or no longer says, must not fail the
 * order that took its place.
 */
export async function clearAbandonedAnswers(challenges: AnsweredOrder, signal?: AbortSignal): Promise<void> {
  for (const url of challenges.authorizations) {
    try {
      await clearEarlierAnswers({ ...challenges, authorizations: [url] }, signal);
    } catch (thrown) {
      const { code, message } = toRenewalError(thrown);
      if (!code.startsWith("acme.")) throw thrown;
      const detail = { identifier: "an abandoned order", code, message };
      await challenges.progress.save({}, { type: "challenge.cleanUpFailed", detail });
      // A CA that does not answer would be waited for once for each name.
      if (problemOf(thrown) === null) return;
    }
  }
}

export async function cleanUp(
  progress: OrderProgress,
  presented: readonly GivenAnswer[],
  until?: AbortSignal,
): Promise<void> {
  for (const { response, solver } of presented) {
    until?.throwIfAborted();
    const signal = AbortSignal.any([AbortSignal.timeout(CLEAN_UP_TIMEOUT_MS), ...(until === undefined ? [] : [until])]);
    try {
      await solving(signal, () => solver.cleanUp(response, signal));
    } catch (error) {
      const { code, message } = toRenewalError(error);
      await progress.save(
        {},
        { type: "challenge.cleanUpFailed", detail: { identifier: response.identifier.value, code, message } },
      );
    }
  }
}

/**
 * A foreign error from a solver becomes `solver.failed`, not a bug of the order. An abort stays the signal's reason,
 * even when the solver ignores the signal.
 */
export async function solving<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await raceAbort(signal, work);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof RenewalError) throw error;
    throw new RenewalError(
      "solver.failed",
      `The solver failed: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}
