import type { InstalledPair } from "../../domain/deployer.ts";
import { sanitize } from "../../domain/text.ts";
import type { Version } from "../../domain/version.ts";

/** What is wrong with what a target holds. */
export interface Finding {
  /**
   * `different`: it is not the deployed pair. `unusable`: it is, but the server could not start with it, or others can
   * read its key.
   */
  readonly kind: "different" | "unusable";
  /** A clause that follows the target's name. */
  readonly what: string;
}

const FINGERPRINT_SHOWN = 16;
const PROBLEMS_SHOWN = 3;
const PROBLEM_CHARACTERS_MAX = 200;

/**
 * Compares what a target holds with the version that was deployed there. `known`: generation by fingerprint.
 * `wantedChain`: fingerprints of what must follow the certificate, although more may; null: anything may.
 */
export function judgeInstalled(
  { fingerprint, isOther = false, keyMatches, chain, problems }: InstalledPair,
  { generation, leaf }: Pick<Version, "generation" | "leaf">,
  known: ReadonlyMap<string, number>,
  wantedChain: readonly string[] | null,
): Finding | null {
  if (isOther) return different(`holds another certificate than that of generation ${generation}`, problems);
  if (fingerprint === null) return different("holds no certificate", problems);
  if (fingerprint !== leaf.fingerprint) {
    const found = known.get(fingerprint);
    const held =
      found === undefined
        ? `a certificate that renewd did not issue (SHA-256 ${fingerprint.slice(0, FINGERPRINT_SHOWN)}…)`
        : `generation ${found}`;
    return different(`holds ${held} instead of generation ${generation}`, problems);
  }
  if (keyMatches === false) return different("holds a private key that does not belong to its certificate", problems);
  if (chain !== undefined && wantedChain?.some((wanted, index) => chain[index] !== wanted))
    return different("holds the pair without the CA's certificates that must follow it", problems);
  if (problems.length === 0) return null;
  return { kind: "unusable", what: `holds the pair, but not as it must be: ${listed(problems)}` };
}

function different(what: string, problems: readonly string[]): Finding {
  return { kind: "different", what: problems.length === 0 ? what : `${what}; ${listed(problems)}` };
}

function listed(problems: readonly string[]): string {
  const shown = problems.slice(0, PROBLEMS_SHOWN).map((problem) => sanitize(problem, PROBLEM_CHARACTERS_MAX));
  const more = problems.length - shown.length;
  return `${shown.join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
}

/**
 * Whether deploying again can help. A pair that was deployed again and is still not usable for the same reason needs a
 * person: deploying it once more would only reload the server.
 */
export function heals({ kind, what }: Finding, lastProblem: string | null): boolean {
  return kind === "different" || what !== lastProblem;
}
