import { RenewalError } from "../domain/errors.ts";
import type { Identifier } from "../domain/identifier.ts";
import type { NamedSolver, Solver } from "../domain/issuer.ts";
import { solversFor } from "../domain/solverChoice.ts";
import { sanitize } from "../domain/text.ts";
import { type Authorization, type Challenge, offeredChallenge, offeredTypes } from "./authorizationObject.ts";

/** An authorization names a wildcard by the name below `*.` (RFC 8555 §7.1.4). */
export function withWildcard({ type, value }: Identifier, wildcard: boolean | undefined): Identifier {
  return { type, value: `${wildcard === true ? "*." : ""}${value}` };
}

/**
 * The first solver that fits the name and a challenge on offer. One whose challenge cannot be used, such as
 * dns-persist-01's without a token, leaves the name to the next.
 */
export function chooseSolver(
  name: Identifier,
  authorization: Authorization,
  solvers: readonly NamedSolver[],
): { readonly challenge: Challenge; readonly solver: Solver } {
  const candidates = solversFor(solvers, name);
  let unusable: unknown = null;
  for (const { solver } of candidates) {
    try {
      const challenge = offeredChallenge(authorization, solver.challengeType);
      if (challenge !== undefined) return { challenge, solver };
    } catch (thrown) {
      unusable ??= thrown;
    }
  }
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
