import { standingName } from "../domain/dnsPersist.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Identifier } from "../domain/identifier.ts";
import type { NamedSolver, Solver } from "../domain/issuer.ts";
import { firstFitting, solversFor } from "../domain/solverChoice.ts";
import { sanitize } from "../domain/text.ts";
import { type Authorization, type Challenge, offeredChallenge, offeredTypes } from "./authorizationObject.ts";
import type { Session } from "./session.ts";
import { standingOfChallenge } from "./standing.ts";

/** An authorization names a wildcard by the name below `*.` (RFC 8555 §7.1.4). */
export function withWildcard({ type, value }: Identifier, wildcard: boolean | undefined): Identifier {
  return { type, value: `${wildcard === true ? "*." : ""}${value}` };
}

interface Choice {
  readonly challenge: Challenge;
  readonly solver: Solver;
}

/**
 * The first solver that fits the name and a challenge on offer, and whose provider holds the zone, or whose record
 * stands. One whose challenge cannot be used, such as dns-01's without a token, leaves the name to the next.
 */
export async function chooseSolver(
  name: Identifier,
  authorization: Authorization,
  solvers: readonly NamedSolver[],
  session: Session,
  signal: AbortSignal,
): Promise<Choice> {
  const candidates = solversFor(solvers, name);
  const usable: Choice[] = [];
  let unusable: unknown = null;
  for (const { solver } of candidates) {
    try {
      const challenge = offeredChallenge(authorization, solver.challengeType);
      if (challenge !== undefined) usable.push({ challenge, solver });
    } catch (thrown) {
      unusable ??= thrown;
    }
  }
  const chosen = await firstFitting(usable, (choice) => fits(choice, name, session, signal));
  if (chosen !== undefined) return chosen;
  if (unusable !== null) throw unusable;
  const shown = sanitize(name.value, 255);
  if (candidates.length === 0) {
    const names = solvers.map((each) => each.name).join(", ");
    throw new RenewalError("acme.noChallenge", `No solver of the certificate (${names}) can answer for ${shown}.`);
  }
  const offered = sanitize(offeredTypes(authorization).join(", "), 200) || "nothing";
  const wanted = [...new Set(candidates.map(({ solver }) => solver.challengeType))].join(" or ");
  throw new RenewalError("acme.noChallenge", `The CA offers no ${wanted} challenge for ${shown}, only ${offered}.`);
}

async function fits(
  { challenge: { standing }, solver }: Choice,
  name: Identifier,
  session: Session,
  signal: AbortSignal,
): Promise<boolean> {
  if (standing === null || solver.standing === undefined) return (await solver.owns?.(name, signal)) ?? true;
  const directory = await session.directory();
  try {
    const account = standingOfChallenge(directory, standing, session.account());
    const { kind } = await solver.standing(standingName(name), account, signal);
    return kind === "valid" || kind === "unknown";
  } catch (error) {
    signal.throwIfAborted();
    // Where no other fits, its own error says what is wrong.
    if (error instanceof RenewalError) return false;
    throw error;
  }
}
