import type { Identifier } from "./identifier.ts";
import type { NamedSolver } from "./issuer.ts";

/** Challenge types that prove control of a whole domain (CA/Browser Forum BR 3.2.2.4.7, .18, .19). */
export function provesDomain(challengeType: string): boolean {
  return challengeType.startsWith("dns-");
}

/** Whether a solver of this type, for these zones, can answer for the name, wildcard included. */
export function canSolve(
  { zones, challengeType }: { readonly zones: readonly string[]; readonly challengeType: string },
  { type, value }: Identifier,
): boolean {
  // RFC 8738 §7: addresses are not in DNS.
  if (type === "ip") return zones.length === 0 && !provesDomain(challengeType);
  if (value.startsWith("*.") && !provesDomain(challengeType)) return false;
  const name = value.replace(/^\*\./, "");
  return zones.length === 0 || zones.some((zone) => name === zone || name.endsWith(`.${zone}`));
}

/** The solvers that can answer for the name, the preferred one first. */
export function solversFor(solvers: readonly NamedSolver[], identifier: Identifier): readonly NamedSolver[] {
  return solvers.filter(({ zones, solver: { challengeType } }) => canSolve({ zones, challengeType }, identifier));
}

/**
 * The first candidate that `fits`. Where none does, the first one: its own error says what is wrong. Asked only where
 * there is a choice, as it may cost requests. undefined: there is no candidate.
 */
export async function firstFitting<Candidate>(
  candidates: readonly Candidate[],
  fits: (candidate: Candidate) => Promise<boolean>,
): Promise<Candidate | undefined> {
  if (candidates.length < 2) return candidates[0];
  for (const candidate of candidates) if (await fits(candidate)) return candidate;
  return candidates[0];
}
