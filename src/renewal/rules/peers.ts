import type { Peer, PeerAnswer, PeerSource, PeerState } from "../../domain/peer.ts";
import { formatDuration, formatInstant, MINUTE_MS, SECOND_MS } from "../../domain/time.ts";
import { type Fault, NOWHERE } from "./alerts/faults.ts";

/** One answer that is missing may be a restart. */
const FAILURES_MIN = 2;
/** How soon one that was not well is asked again. */
const AGAIN_MS = 15 * SECOND_MS;
/** What was said so many intervals ago says nothing about now. */
const UNKNOWN_AFTER = 3;

/** `problem`: why it could not be asked. */
export type PeerOutcome = { readonly answer: PeerAnswer } | { readonly problem: string };

/** What is known after it was asked. `before` null: it never was. Pure. */
export function peerAfter(
  before: Peer | null,
  source: Pick<PeerSource, "name" | "url" | "everyMs" | "sweepMaxMs">,
  outcome: PeerOutcome,
  now: number,
): Peer {
  const { name, url, everyMs, sweepMaxMs } = source;
  // What another address said is not about this one.
  const known = before?.url === url ? before : null;
  const { state, problem } = judged(outcome, sweepMaxMs);
  const ageMs = "answer" in outcome ? outcome.answer.sweepAgeMs : null;
  return {
    ...{ name, url, everyMs, state, problem, askedAt: now },
    since: known?.state === state ? known.since : now,
    failures: state === "well" ? 0 : (known?.failures ?? 0) + 1,
    sweptAt: ageMs === null ? (known?.sweptAt ?? null) : now - ageMs,
    lastWellAt: state === "well" ? now : (known?.lastWellAt ?? null),
  };
}

function judged(outcome: PeerOutcome, sweepMaxMs: number): { state: PeerState; problem: string | null } {
  if ("problem" in outcome) return { state: "unreachable", problem: outcome.problem };
  const { ready, reasons, sweepAgeMs } = outcome.answer;
  // It has its own, fixed idea of what is too old.
  if (sweepAgeMs !== null && sweepAgeMs > sweepMaxMs)
    return { state: "late", problem: `its planner completed no sweep for ${formatDuration(sweepAgeMs)}` };
  if (ready) return { state: "well", problem: null };
  return { state: "notReady", problem: `it says that it does not work: ${reasons.join("; ") || "no reason is given"}` };
}

export function isPeerDue(
  { url, everyMs }: Pick<PeerSource, "url" | "everyMs">,
  before: Peer | null,
  now: number,
): boolean {
  if (before === null || before.url !== url) return true;
  // A clock that was put back must not keep it from being asked.
  return Math.abs(now - before.askedAt) >= (before.failures === 0 ? everyMs : Math.min(everyMs, AGAIN_MS));
}

/** Whether what it said last is too old to say anything of now. */
export function isPeerUnknown({ askedAt, everyMs }: Pick<Peer, "askedAt" | "everyMs">, now: number): boolean {
  return Math.abs(now - askedAt) > UNKNOWN_AFTER * everyMs + MINUTE_MS;
}

/** What people are notified of: a peer that was not well twice in a row. null: nothing. Pure. */
export function peerFault(peer: Peer): Fault | null {
  const { name, url, state, problem, failures, since, lastWellAt } = peer;
  if (state === "well" || failures < FAILURES_MIN) return null;
  const last = lastWellAt === null ? "it never was well" : `it was last well at ${formatInstant(lastWellAt)}`;
  return {
    ...{ rule: "peer", certificate: null, place: { ...NOWHERE, subject: name }, code: null, severity: "page" },
    what: `peer ${name} (${url}) ${WORDS[state]} since ${formatInstant(since)}: ${problem ?? ""}; ${last}`,
    action: PEER_ACTION,
    ...{ level: 0, isLast: false, expiresAt: null },
  };
}

export const PEER_ACTION = "See on its machine whether it runs (`renewd status`), and whether this one reaches it.";

const WORDS: Readonly<Record<PeerState, string>> = {
  well: "is well",
  late: "plans nothing",
  notReady: "is not ready",
  unreachable: "cannot be asked",
};
