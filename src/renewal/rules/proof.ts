import type { Evidence, Observation, ObservationProblem } from "../../domain/endpoint.ts";

/**
 * The one definition of proof, for verifier and observer, whatever the target: over the last N fresh connections, spread
 * over time, none served another certificate. An endpoint of which 1 in 8 connections serves the old pair passes 40
 * connections with a chance of (7/8)^40 = 0.5 %. One that serves it for a part of the time is met in its old part if its
 * period is no longer than the spread. A target that swaps at once, as HAProxy's runtime API does, may do with less
 * only where the kernel shows that its process alone answers (`missingAtOnce`): else nobody knows what stands between
 * it and the address.
 */
export interface ProofTerms {
  /** Fresh connections in a row that must serve the certificate. */
  readonly connections: number;
  /** Time between the first and the last of them: old workers of a reloading server need some time to end. */
  readonly spreadMs: number;
}

/** What one fresh connection showed. */
export type Outcome =
  | { readonly kind: "good" }
  /** `certificate`: a short name for what it served. */
  | { readonly kind: "wrong"; readonly certificate: string }
  /** No handshake: this says nothing about what the address serves. */
  | { readonly kind: "unanswered" };

/** A mixed address is observed this often until it is clean. */
export const MIXED_LOOK_MS = 60_000;

/** Connections of which the share of each certificate is shown. */
const RECENT_MAX = 40;
/** How the generation itself is written in `recent`. */
const GOOD = "";
/**
 * A row may start again after each wrong certificate, and each new row is another chance for a mixed address to look
 * clean. After k ended rows a row must be longer by the factor 1 + 0.375 ln(k + 1), so its chance is divided by
 * (k + 1)². All rows together then have a chance of at most 1.65 times the first one: 0.8 %.
 */
const GROWTH = 0.375;
const HANDSHAKES_AT_ONCE = 3;

export function noEvidence(generation: number): Evidence {
  return { generation, good: 0, goodSince: null, lastGoodAt: null, relapses: 0, lastWrongAt: null, recent: [] };
}

/** Something was deployed: the row starts again. How often it broke for this generation is not forgotten. */
export function restartEvidence(known: Evidence | null, generation: number): Evidence {
  if (known?.generation !== generation) return noEvidence(generation);
  return { ...noEvidence(generation), relapses: known.relapses, lastWrongAt: known.lastWrongAt };
}

/**
 * Connections that are missing until a row may prove an address where one process, which took the swap, answers.
 * `attested`: connections to the address a moment ago whose other end it held, of all certificates: who answers is
 * decided before any server name is sent, so they show together that nobody else does, as N of one would. What the
 * process serves for this name takes a few.
 */
export function missingAtOnce({ good }: Evidence, { connections }: ProofTerms, attested: number): number {
  const own = Math.min(HANDSHAKES_AT_ONCE, connections) - good;
  return own > 0 ? own : Math.max(0, connections - attested);
}

/** The next good connection begins a new row. */
export function endRow(evidence: Evidence): Evidence {
  return { ...evidence, good: 0, goodSince: null, server: undefined, attested: undefined };
}

/** `at`: when the connection was opened, ms since epoch. */
export function addOutcome(evidence: Evidence, outcome: Outcome, at: number): Evidence {
  if (outcome.kind === "unanswered") return evidence;
  const recent = [...evidence.recent, outcome.kind === "good" ? GOOD : outcome.certificate].slice(-RECENT_MAX);
  if (outcome.kind === "wrong") {
    const relapses = evidence.relapses + (evidence.good > 0 ? 1 : 0);
    return { ...endRow(evidence), relapses, lastWrongAt: at, recent };
  }
  // The earlier of both: a clock that was set back must not leave a row that never ends.
  const goodSince = Math.min(evidence.goodSince ?? at, at);
  return { ...evidence, good: evidence.good + 1, goodSince, lastGoodAt: at, recent };
}

/** What a row must reach now. */
export function neededFor({ relapses }: Evidence, { connections, spreadMs }: ProofTerms): ProofTerms {
  return { connections: Math.ceil(connections * (1 + GROWTH * Math.log(relapses + 1))), spreadMs };
}

export function isProved(evidence: Evidence, terms: ProofTerms): boolean {
  const { good, goodSince, lastGoodAt, server, attested = good } = evidence;
  if (server !== undefined) return missingAtOnce(evidence, terms, Math.max(good, attested)) === 0;
  const needed = neededFor(evidence, terms);
  return good >= needed.connections && (lastGoodAt ?? 0) - (goodSince ?? 0) >= needed.spreadMs;
}

/** Some connections get the certificate and others another one, in no order: neither before nor after a swap. */
export function isMixed({ recent }: Evidence): boolean {
  const isGood = (certificate: string): boolean => certificate === GOOD;
  const isWrong = (certificate: string): boolean => certificate !== GOOD;
  const wrongAfterGood = recent.findLastIndex(isWrong) > recent.findIndex(isGood) && recent.some(isGood);
  return wrongAfterGood && recent.findIndex(isWrong) < recent.findLastIndex(isGood);
}

export interface Share {
  readonly certificate: string;
  readonly percent: number;
}

/** The certificates other than the generation that connections got, since the generation was first served. */
export function sharesOf({ recent }: Evidence): Share[] {
  const mixture = recent.slice(Math.max(0, recent.indexOf(GOOD)));
  const wrong = Map.groupBy(
    mixture.filter((certificate) => certificate !== GOOD),
    (certificate) => certificate,
  );
  return [...wrong]
    .map(([certificate, found]) => ({
      certificate,
      percent: Math.max(1, Math.round((100 * found.length) / mixture.length)),
    }))
    .sort((a, b) => b.percent - a.percent);
}

/** What is wrong with an address that is not proved; `seen` is its last observation with a problem. */
export function problemOf(evidence: Evidence, seen: Observation): ObservationProblem | null {
  if (!isMixed(evidence)) return seen.problem;
  const shares = sharesOf(evidence);
  const listed = shares.map(({ certificate, percent }) => `${percent} % ${certificate}`).join(", ");
  return { code: "verify.mixed", message: `serves ${shares.length + 1} certificates: ${listed}` };
}
