import type { Uses } from "../domain/applied.ts";
import type { Certificate } from "../domain/certificate.ts";
import { type Acknowledgement, type Heartbeat, isLive, type ProcessProblem } from "../domain/heartbeat.ts";
import type { Responsibility } from "../domain/responsibility.ts";
import type { Store } from "../domain/store.ts";
import { takingTurns } from "../domain/turns.ts";
import { isWatchedOnly } from "../renewal/rules/served.ts";
import { DEFAULT_SETTINGS } from "../renewal/rules/settings.ts";
import { actionsOf } from "./actions.ts";
import { clockNotices } from "./clockNotices.ts";
import { type ConfiguredFleet, loadedFleet } from "./configured.ts";
import { examineFleet } from "./examine.ts";
import { failuresOf } from "./failures.ts";
import { type FleetOptions, loadFleet } from "./fleet.ts";
import { healthNotices } from "./health.ts";
import { type InFlight, inFlightReport } from "./inFlight.ts";
import { iso } from "./instant.ts";
import { missingNeeds } from "./needs.ts";
import { type Next, nextOf } from "./next.ts";
import {
  alteredHistory,
  failingParts,
  HISTORY_EVENTS,
  LOAD_EVENTS,
  leftTargets,
  type Notice,
  noticesOf,
  PART_EVENTS,
  planningNotices,
  silentChannels,
  slowedWorkers,
  staleProofs,
  WRONG_FILE,
} from "./notices.ts";
import { peerNotices } from "./peers.ts";
import { needsPerson, type Problem } from "./problems.ts";
import { byExpiry, type Examined, NO_REST, type Rest, type Summary, summaryOf } from "./summary.ts";
import { unmanaged } from "./unmanaged.ts";
import { usesOf } from "./uses.ts";
import { waitingOf } from "./waiting.ts";
import { watchedNotices } from "./watched.ts";

const LOAD_EVENTS_MAX = 200;

/** `renewd status --json`. Instants are ISO 8601. */
export interface StatusReport {
  readonly version: 2;
  readonly at: string;
  /** Decides the exit code. */
  readonly needsPerson: boolean;
  /** About renewd itself rather than one certificate; causes come before what follows from them. */
  readonly notices: readonly (Notice & { readonly acknowledged: Acknowledged | null })[];
  /** Those that need a person first; of either kind soonest expiry first. */
  readonly problems: readonly Trouble[];
  /** Oldest first. */
  readonly inFlight: readonly InFlight[];
  readonly summary: Summary;
  /** The processes that reported lately. */
  readonly processes: readonly ProcessEntry[];
}

/** A person has seen it and decided that it can wait. */
export interface Acknowledged {
  readonly by: string | null;
  readonly reason: string;
  readonly at: string;
  readonly until: string;
}

export interface ProcessEntry {
  readonly process: string;
  readonly role: string;
  readonly version: string;
  /** A deployer deploys to these targets alone; empty: to all that have no agent. */
  readonly targets: readonly string[];
  readonly running: boolean;
  readonly startedAt: string;
  readonly lastReportAt: string;
  /** When it last finished work; null: not yet. */
  readonly lastWorkAt: string | null;
}

/** A certificate with problems. */
export interface Trouble {
  readonly certificate: string;
  readonly needsPerson: boolean;
  /** Worst first. */
  readonly problems: readonly Problem[];
  /** When what clients get first expires; null: no version was ever issued. */
  readonly expiresAt: string | null;
  /** renewd only observes it, so that it issues nothing. */
  readonly observed: boolean;
  readonly errors: readonly StatusError[];
  readonly tried: { readonly failuresInARow: number; readonly attempts: number; readonly lastAt: string | null };
  readonly next: Next;
  readonly actions: readonly string[];
  readonly renewalId: string | null;
  readonly acknowledged: Acknowledged | null;
  readonly responsibility: Responsibility;
}

export interface StatusError {
  readonly where: string;
  readonly code: string;
  readonly message: string;
  readonly attempts: number;
  readonly nextAttemptAt: string | null;
}

const PART_EVENTS_MAX = 100;

export interface StatusOptions extends FleetOptions {
  /** Targets that only their own deployer deploys to. */
  readonly agentTargets?: readonly string[];
  /** Who answers for a target; null: nobody is named. */
  readonly responsibilityOf?: (target: string) => Responsibility | null;
  /** What the process that asks has found by itself: a full disk, a file that cannot be read. */
  readonly found?: readonly Notice[];
}

/** What is wrong, why, what was tried, what comes next and what to do; then what is going on. Reads only. */
export function statusReport(
  store: Store,
  certificates: readonly Certificate[],
  now: number,
  options: StatusOptions = {},
): Promise<StatusReport> {
  return statusOfSome(store, { fleet: loadedFleet(certificates), certificates }, now, options);
}

/** What is known of the fleet beside those of its certificates that are read. */
interface Beside {
  readonly fleet: Pick<ConfiguredFleet, "named" | "all">;
  /** Of the whole fleet. Left out: these are all. */
  readonly uses?: Uses;
  /** The others. Left out: there are none. */
  readonly rest?: Rest;
}

/** The status of a fleet of which these certificates are read. */
export async function statusOfSome(
  store: Store,
  { certificates, ...beside }: Beside & { readonly certificates: readonly Certificate[] },
  now: number,
  options: StatusOptions = {},
): Promise<StatusReport> {
  const fleet = await loadFleet(store, certificates, now, options);
  const beats = await store.health.beats();
  const uses = beside.uses ?? usesOf(fleet.map(({ certificate }) => certificate));
  const missing = missingNeeds({ beats, uses, agentTargets: options.agentTargets ?? [], now });
  const examined = await examineFleet(store, fleet, missing, now);
  return statusOf(store, { ...beside, uses, examined, beats, now }, options);
}

export interface StatusFacts extends Beside {
  readonly examined: readonly Examined[];
  readonly beats: readonly Heartbeat[];
  readonly now: number;
}

/** The status of a fleet that was examined already. */
export async function statusOf(
  store: Store,
  { fleet: configured, examined, rest = NO_REST, beats, now, ...known }: StatusFacts,
  options: StatusOptions = {},
): Promise<StatusReport> {
  const { agentTargets = [], observeMs = DEFAULT_SETTINGS.observeMs } = options;
  const fleet = examined.map(({ member }) => member);
  const total = fleet.length + rest.provedLive + rest.notProved;
  const uses = known.uses ?? usesOf(fleet.map(({ certificate }) => certificate));
  const missing = missingNeeds({ beats, uses, agentTargets, now });
  const acknowledgements = new Map((await store.health.acknowledgements(now)).map((each) => [each.subject, each]));
  const turn = takingTurns();
  const troubled = examined.filter(({ problems }) => problems.length > 0).sort(byExpiry);
  const problems: Trouble[] = [];
  for (const each of troubled) {
    problems.push(troubleOf(each, acknowledgements.get(each.member.certificate.name)));
    await turn();
  }
  // A screen shows the first in full. Their order by expiry stays.
  problems.sort((a, b) => Number(b.needsPerson) - Number(a.needsPerson));
  const waiting = examined.flatMap((each) => waitingOf(each) ?? []);
  const found: (Notice | null)[] = [];
  // Each is one look at the whole fleet: between two of them others have their turn.
  const add = async (...more: readonly (Notice | null)[]): Promise<void> => {
    found.push(...more);
    await turn();
  };
  await add(...(await clockNotices(store, beats)), ...(options.found ?? []));
  const reported = beats.map((beat) => withoutKnown(beat, options.found ?? []));
  await add(...healthNotices({ beats: reported, fleet, uses, agentTargets, waiting, now }));
  if (!missing.some(({ role }) => role === "planner")) await add(...planningNotices(fleet, total, now));
  await add(staleProofs(fleet, { total, observeMs }, now));
  const aboutHistory = { types: HISTORY_EVENTS, limit: PART_EVENTS_MAX, sealed: true } as const;
  await add(...alteredHistory(await store.events.list(aboutHistory)));
  await add(...failingParts(await store.events.list({ types: PART_EVENTS, limit: PART_EVENTS_MAX })));
  await add(...noticesOf(fleet, total, now));
  await add(...slowedWorkers(await store.events.list({ types: LOAD_EVENTS, limit: LOAD_EVENTS_MAX }), beats, now));
  await add(...leftTargets(await store.leftTargets.list()), ...(await unmanaged(store, configured, now)));
  await add(...(await watchedNotices(store, now)));
  await add(...peerNotices(await store.peers.list(), now));
  await add(...silentChannels(await store.cursors.list()));
  const notices = found.flatMap((each) =>
    each === null ? [] : [acknowledgedNotice(each, acknowledgements.get(each.id))],
  );
  const inFlight = inFlightReport(fleet, now);
  return {
    version: 2,
    at: iso(now),
    needsPerson: problems.some((each) => each.needsPerson) || notices.some((each) => each.needsPerson),
    notices,
    problems,
    inFlight,
    summary: summaryOf(examined, rest, inFlight.length, now),
    processes: beats.map((beat) => processOf(beat, now)),
  };
}

/** Who asks has just measured the disk and read the file; what a process reported of the same is older. */
function withoutKnown(beat: Heartbeat, found: readonly Notice[]): Heartbeat {
  const seesDisk = found.some(({ kind }) => kind === "disk");
  const seesFile = found.some(({ id, what }) => id === WRONG_FILE && what.startsWith(`${beat.configFile} `));
  const isNews = ({ kind }: ProcessProblem): boolean =>
    !(kind === "disk" && seesDisk) && !(kind === "reload" && seesFile);
  return { ...beat, problems: beat.problems.filter(isNews) };
}

function acknowledgedNotice(
  notice: Notice,
  acknowledgement: Acknowledgement | undefined,
): Notice & { readonly acknowledged: Acknowledged | null } {
  const acknowledged = acknowledgement === undefined ? null : acknowledgedOf(acknowledgement);
  return { ...notice, needsPerson: notice.needsPerson && acknowledged === null, acknowledged };
}

function acknowledgedOf({ by, reason, at, until }: Acknowledgement): Acknowledged {
  return { by, reason, at: iso(at), until: iso(until) };
}

function processOf(beat: Heartbeat, now: number): ProcessEntry {
  const { process, role, version, targets, startedAt, beatAt, usefulAt } = beat;
  return {
    process,
    role,
    version,
    targets,
    running: isLive(beat, now),
    startedAt: iso(startedAt),
    lastReportAt: iso(beatAt),
    lastWorkAt: iso(usefulAt),
  };
}

function troubleOf(facts: Examined, acknowledgement: Acknowledgement | undefined): Trouble {
  const { member, problems, renewal, lastEventAt, expiresAt } = facts;
  const complaints = failuresOf(member);
  const attempts = Math.max(renewal?.attempts ?? 0, ...complaints.map((each) => each.attempts));
  // A kind of problem that was not there when a person looked is news.
  const isAcknowledged =
    acknowledgement !== undefined && problems.every(({ kind }) => acknowledgement.kinds.includes(kind));
  return {
    certificate: member.certificate.name,
    needsPerson: !isAcknowledged && needsPerson(problems, complaints, facts),
    problems,
    expiresAt: iso(expiresAt),
    observed: isWatchedOnly(member.certificate, member.version),
    errors: complaints.map(({ where, code, message, attempts: tried, nextAttemptAt }) => ({
      where,
      code,
      message,
      attempts: tried,
      nextAttemptAt: iso(nextAttemptAt),
    })),
    tried: { failuresInARow: member.record?.failures ?? 0, attempts, lastAt: iso(renewal?.finishedAt ?? lastEventAt) },
    next: nextOf(facts),
    actions: actionsOf(facts, complaints),
    renewalId: renewal?.id ?? null,
    acknowledged: isAcknowledged ? acknowledgedOf(acknowledgement) : null,
    responsibility: member.certificate.responsibility,
  };
}
