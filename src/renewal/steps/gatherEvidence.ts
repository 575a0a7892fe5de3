import { type Endpoint, type Evidence, endpointKey, isUnanswered, type Observation } from "../../domain/endpoint.ts";
import type { Dialled, Probe } from "../../domain/probe.ts";
import type { ObservedAddress, Store } from "../../domain/store.ts";
import { unitHash } from "../../domain/unitHash.ts";
import type { Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import {
  addOutcome,
  endRow,
  isProved,
  missingAtOnce,
  neededFor,
  type Outcome,
  type ProofTerms,
  problemOf,
} from "../rules/proof.ts";

/** Connections to one address at the same time. More would look like an attack to servers that limit connections. */
const PARALLEL_MAX = 4;

/** To a process of this machine that took the certificate itself. Asking who answered takes as long for one as for all. */
const PARALLEL_HERE_MAX = 20;

/** A route that is missing now is missing in a moment too: no time is spent on it. */
const UNDIALABLE_MAX = 2;

/** Servers and firewalls that limit connections end them, or leave them without an answer. */
const LIMITED: readonly string[] = ["verify.dropped", "verify.timeout"];

/** How a group is opened. */
interface Pace {
  readonly size: number;
  /** What it follows: another group is opened at other moments. */
  readonly after: Evidence;
  readonly withinMs: number;
}

/** What to ask of one address, and when to stop. */
export interface Gathering {
  readonly endpoint: Dialled;
  readonly address: string;
  readonly version: Version;
  readonly terms: ProofTerms;
  /** What is known already. */
  readonly evidence: Evidence;
  /** A short name for what a connection served. */
  readonly nameOf: (observation: Observation) => Promise<string>;
  /** Connections that must answer now, even if the evidence is enough already. */
  readonly connectionsMin: number;
  /** Pause after a group in which a connection did not get the certificate; it doubles up to the maximum. */
  readonly pause: { readonly firstMs: number; readonly maxMs: number };
  /** Whether this look may prove the address at all. */
  readonly mayProve: (progress: Progress) => boolean;
  /** Asked after each group of connections. */
  readonly stop: (progress: Progress) => boolean;
  /** The process of this machine that took the certificate, if that is visible at once; asked when a row begins. */
  readonly server?: () => Promise<number | null>;
}

export interface Progress {
  /** Every connection of the last group got the certificate. */
  readonly lastGroupGood: boolean;
  /** Groups so far in which a connection did not. */
  readonly badGroups: number;
  /** Nothing was wrong in the last group but connections that a limit may have stopped; others got the certificate. */
  readonly isOnlyDropped: boolean;
  /** Groups in a row of which no connection could be opened from here. */
  readonly undialable: number;
  /** Connections so far that completed a handshake. */
  readonly answered: number;
  /** Of these, connections that got another certificate. */
  readonly wrong: number;
  /** The process that took the certificate answered every connection. */
  readonly isAlone: boolean;
}

export interface Gathered {
  /** The last one with a problem; if the address is proved, the last one. */
  readonly observation: Observation;
  readonly evidence: Evidence;
  readonly proved: boolean;
}

const NO_PROGRESS: Progress = {
  ...{ lastGroupGood: true, isOnlyDropped: false, undialable: 0 },
  ...{ badGroups: 0, answered: 0, wrong: 0, isAlone: true },
};

/** Whether the row may still be proved at once. */
function isByServer(group: readonly Observation[]): boolean {
  return group.every(({ problem, byServer }) => problem === null && byServer === true);
}

/** Opens fresh connections to one address, in small groups with pauses, until it is proved or `stop` says so. */
export async function gatherEvidence(
  context: Pick<Context, "clock" | "probe">,
  aim: Gathering,
  signal: AbortSignal,
): Promise<Gathered> {
  const { clock } = context;
  const { pause } = aim;
  let { evidence } = aim;
  // Where one process answers, no time has to show that no other one does. A row of earlier looks was not all answered
  // by it, and where another certificate was met, nothing is taken for granted.
  const mayBeAtOnce = evidence.good === 0 && evidence.relapses === 0;
  let server = mayBeAtOnce ? ((await aim.server?.()) ?? null) : null;
  let progress = NO_PROGRESS;
  let pauseMs = pause.firstMs;
  let problem: Observation | null = null;
  for (;;) {
    const startedAt = clock.monotonic();
    const endpoint = server === null ? aim.endpoint : { ...aim.endpoint, server };
    const wanted = aim.connectionsMin - progress.answered;
    const size = progress.isOnlyDropped ? 1 : groupSize(context.probe, { ...aim, evidence }, wanted, server);
    const pace = { size, after: evidence, withinMs: server === null ? gapMs(evidence, aim.terms) : 0 };
    const group = await openGroup(context, { ...aim, endpoint }, pace, signal);
    for (const observation of group) {
      evidence = addOutcome(evidence, await outcomeOf(observation, aim.nameOf), observation.at);
      if (observation.problem !== null) problem = observation;
    }
    progress = progressAfter(progress, group, evidence);
    if (!progress.isAlone) server = null;
    const asked = progress.answered >= aim.connectionsMin;
    // The kernel was asked after the last handshake, so nobody else had begun to listen by then.
    if (server !== null && asked && missingHere(context.probe, { ...aim, evidence }, server) === 0)
      evidence = { ...evidence, server, attested: attestedAt(context.probe, aim, server) };
    const proved = asked && isProved(evidence, aim.terms) && aim.mayProve(progress);
    const last = group.at(-1);
    if (last !== undefined && (proved || progress.undialable >= UNDIALABLE_MAX || aim.stop(progress))) {
      if (proved) return { observation: last, evidence, proved };
      const seen = problem ?? last;
      const observation = { ...seen, problem: problemOf(evidence, seen) };
      return { observation, evidence: mayBeAnother(seen, progress) ? endRow(evidence) : evidence, proved };
    }
    if (progress.lastGroupGood) pauseMs = pause.firstMs;
    const goodGapMs = server === null ? gapMs(evidence, aim.terms) : 0;
    const nextInMs = progress.lastGroupGood ? goodGapMs : pauseMs;
    if (!progress.lastGroupGood) pauseMs = Math.min(pauseMs * 2, pause.maxMs);
    await clock.sleep(Math.max(0, startedAt + nextInMs - clock.monotonic()), signal);
  }
}

/** Of connections to the address in the last ten seconds, also of other certificates. */
function attestedAt({ attested }: Probe, { address, endpoint }: Gathering, server: number): number {
  return attested?.(server, { address, port: endpoint.port }) ?? 0;
}

function missingHere(probe: Probe, aim: Gathering, server: number): number {
  return missingAtOnce(aim.evidence, aim.terms, attestedAt(probe, aim, server));
}

/**
 * After nothing answered, another process may answer next. A connection that a limit may have stopped says nothing
 * about that, unless the whole look was silent.
 */
function mayBeAnother({ problem }: Observation, { answered }: Progress): boolean {
  return (
    problem?.code === "verify.unreachable" ||
    problem?.code === "verify.protocol" ||
    (problem?.code === "verify.timeout" && answered === 0)
  );
}

/** One connection while the address does not serve the certificate: asking faster would not help. */
function groupSize(probe: Probe, aim: Gathering, wanted: number, server: number | null): number {
  const { evidence, terms } = aim;
  if (server !== null)
    return Math.max(1, Math.min(PARALLEL_HERE_MAX, Math.max(missingHere(probe, aim, server), wanted)));
  if (evidence.good === 0) return 1;
  const missing = neededFor(evidence, terms).connections - evidence.good;
  return Math.max(1, Math.min(PARALLEL_MAX, Math.max(missing, wanted)));
}

/** Spreads the groups that a row takes over the time that it must last. A row that is long enough takes no time. */
function gapMs(evidence: Evidence, terms: ProofTerms): number {
  if (isProved(evidence, terms)) return 0;
  const { spreadMs } = neededFor(evidence, terms);
  return spreadMs / Math.max(1, Math.ceil((terms.connections - 1) / PARALLEL_MAX));
}

/**
 * Each connection has a part of the time for itself and is opened at another moment of it each time: a server that
 * serves the old pair for a second now and then must not do so between two groups, nor in step with them. Good ones
 * first: a wrong one in a group ends the row, so a row never begins in the middle of a mixed group.
 */
async function openGroup(
  { probe, clock }: Pick<Context, "probe" | "clock">,
  { endpoint, address, version }: Gathering,
  { size, after, withinMs }: Pace,
  signal: AbortSignal,
): Promise<Observation[]> {
  const seed = `${address} ${after.relapses} ${after.good}`;
  // One alone waits for nobody: the caller paces it.
  const partMs = size === 1 ? 0 : withinMs / size;
  const group = await Promise.all(
    Array.from({ length: size }, async (_, index) => {
      if (partMs > 0) await clock.sleep((index + unitHash(`${seed} ${index}`)) * partMs, signal);
      return probe.observe(endpoint, address, version, signal);
    }),
  );
  signal.throwIfAborted();
  const rank = ({ problem }: Observation): number => (problem === null ? 0 : 1);
  return group.sort((a, b) => rank(a) - rank(b));
}

async function outcomeOf(observation: Observation, nameOf: Gathering["nameOf"]): Promise<Outcome> {
  if (observation.problem === null) return { kind: "good" };
  if (isSilent(observation)) return { kind: "unanswered" };
  return { kind: "wrong", certificate: await nameOf(observation) };
}

function isSilent({ problem }: Pick<Observation, "problem">): boolean {
  return isUnanswered(problem?.code);
}

function progressAfter(before: Progress, group: readonly Observation[], { good }: Evidence): Progress {
  const answered = group.filter((observation) => !isSilent(observation));
  const wrong = answered.filter(({ problem }) => problem !== null).length;
  const lastGroupGood = group.every(({ problem }) => problem === null);
  return {
    lastGroupGood,
    isOnlyDropped:
      !lastGroupGood && good > 0 && group.every(({ problem }) => problem === null || LIMITED.includes(problem.code)),
    undialable: group.every(({ problem }) => problem?.code === "verify.undialable") ? before.undialable + 1 : 0,
    badGroups: before.badGroups + (lastGroupGood ? 0 : 1),
    answered: before.answered + answered.length,
    wrong: before.wrong + wrong,
    isAlone: before.isAlone && isByServer(group),
  };
}

/** Names what a connection served by its generation, if renewd issued it. Most looks see nothing that needs a name. */
export function certificateNames(store: Store, { certificate, generation }: Version): Gathering["nameOf"] {
  let known: Promise<ReadonlyMap<string, number>> | null = null;
  const read = async (): Promise<ReadonlyMap<string, number>> => {
    const versions = await store.versions.list(certificate);
    return new Map(versions.map((each) => [each.leaf.fingerprint, each.generation]));
  };
  return async ({ served, problem }) => {
    if (served === null) return "another certificate";
    if (known === null) known = read();
    const found = (await known).get(served.fingerprint);
    if (found === undefined) return `serial ${served.serial}`;
    if (found !== generation) return `generation ${found}`;
    return problem?.code === "verify.badChain" ? `generation ${found} with a wrong chain` : `generation ${found}`;
  };
}

/** What earlier looks found at each address of an endpoint. */
export function knownEvidence(
  observed: readonly ObservedAddress[],
): (endpoint: Endpoint, address: string) => Evidence | null {
  const key = (endpoint: string, address: string): string => `${endpoint} ${address}`;
  const found = new Map(observed.map((row) => [key(row.endpoint, row.observation.address), row.evidence]));
  return (endpoint, address) => found.get(key(endpointKey(endpoint), address)) ?? null;
}
