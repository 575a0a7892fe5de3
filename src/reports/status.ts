import type { Certificate } from "../domain/certificate.ts";
import { ERRORS, type ErrorCode, isErrorCode } from "../domain/errorTable.ts";
import { CLOCK_EVENTS } from "../domain/event.ts";
import type { Renewal } from "../domain/renewal.ts";
import type { Store } from "../domain/store.ts";
import type { PlanDecision } from "../renewal/rules/decide.ts";
import { behindTargets } from "../renewal/rules/reasons.ts";
import { failuresOf, stoppedBy, waitsUntil } from "./failures.ts";
import { type BudgetOf, loadFleet, type Member, nextLookAt, planDecisionOf, progressOf } from "./fleet.ts";
import { iso } from "./instant.ts";
import {
  clockNotices,
  failingParts,
  LOAD_EVENTS,
  type Notice,
  noticesOf,
  PART_EVENTS,
  silentChannels,
  slowedWorkers,
} from "./notices.ts";
import { type Case, earliestExpiry, isQuarantined, needsPerson, type Problem, problemsOf } from "./problems.ts";

/** More machines than this do not change their clock's state before a person has looked. */
const CLOCK_EVENTS_MAX = 200;
const LOAD_EVENTS_MAX = 200;

/** `renewd status --json`. Instants are ISO 8601. */
export interface StatusReport {
  readonly version: 1;
  readonly at: string;
  /** Decides the exit code. */
  readonly needsPerson: boolean;
  /** About renewd itself rather than one certificate. */
  readonly notices: readonly Notice[];
  /** Soonest expiry first. */
  readonly problems: readonly Trouble[];
  /** Oldest first. */
  readonly inFlight: readonly InFlight[];
  readonly summary: Summary;
}

/** A certificate with problems. */
export interface Trouble {
  readonly certificate: string;
  readonly needsPerson: boolean;
  /** Worst first. */
  readonly problems: readonly Problem[];
  /** When what clients get first expires; null: no version was ever issued. */
  readonly expiresAt: string | null;
  readonly errors: readonly StatusError[];
  readonly tried: { readonly failuresInARow: number; readonly attempts: number; readonly lastAt: string | null };
  readonly next: { readonly at: string | null; readonly what: string };
  readonly actions: readonly string[];
  readonly renewalId: string | null;
}

export interface StatusError {
  readonly where: string;
  readonly code: string;
  readonly message: string;
  readonly attempts: number;
  readonly nextAttemptAt: string | null;
}

export interface InFlight {
  readonly certificate: string;
  readonly renewalId: string;
  readonly reason: string;
  readonly trigger: string;
  readonly stage: string;
  readonly startedAt: string;
  readonly ageMs: number;
  readonly attempts: number;
  readonly waitingUntil: string | null;
  readonly errorCode: string | null;
  readonly targetsDeployed: number;
  readonly targets: number;
  readonly endpointsProved: number;
  readonly endpoints: number;
}

/** The first five count each certificate once. */
interface Summary {
  readonly certificates: number;
  readonly withProblems: number;
  readonly renewing: number;
  readonly provedLive: number;
  readonly notProved: number;
  readonly notIssued: number;
  readonly paused: number;
  readonly nextExpiry: { readonly certificate: string; readonly at: string } | null;
}

const PART_EVENTS_MAX = 100;

interface Examined extends Case {
  readonly problems: readonly Problem[];
}

/** What is wrong, why, what was tried, what comes next and what to do; then what is going on. Reads only. */
export async function statusReport(
  store: Store,
  certificates: readonly Certificate[],
  now: number,
  budgetOf?: BudgetOf,
): Promise<StatusReport> {
  const fleet = await loadFleet(store, certificates, now, budgetOf);
  const examined: Examined[] = [];
  for (const member of fleet) examined.push(await examine(store, member, now));
  const troubled = examined.filter(({ problems }) => problems.length > 0).sort(byExpiry);
  const problems = troubled.map(troubleOf);
  const parts = await store.events.list({ types: PART_EVENTS, limit: PART_EVENTS_MAX });
  const notices = [
    ...clockNotices(await store.events.list({ types: CLOCK_EVENTS, limit: CLOCK_EVENTS_MAX })),
    ...noticesOf(fleet, now),
    ...failingParts(parts),
    ...slowedWorkers(await store.events.list({ types: LOAD_EVENTS, limit: LOAD_EVENTS_MAX }), now),
    ...silentChannels(await store.cursors.list()),
  ];
  return {
    version: 1,
    at: iso(now),
    needsPerson: problems.some((each) => each.needsPerson) || notices.some((each) => each.needsPerson),
    notices,
    problems,
    inFlight: fleet
      .flatMap((member) => (member.active === null ? [] : [inFlightOf(member, member.active, now)]))
      .sort((a, b) => b.ageMs - a.ageMs),
    summary: summaryOf(examined, now),
  };
}

async function examine(store: Store, member: Member, now: number): Promise<Examined> {
  const decision = attemptDecision(member, now);
  // Only a certificate with a renewal to speak of costs queries of its own.
  const eventful = member.active !== null || (member.record?.failures ?? 0) > 0;
  const [last] = eventful ? await store.renewals.list({ certificate: member.certificate.name, limit: 1 }) : [];
  const renewal = member.active ?? last ?? null;
  const [event] = renewal === null ? [] : await store.events.list({ renewalId: renewal.id, limit: 1 });
  const facts = {
    member,
    decision,
    renewal,
    lastEventAt: event?.at ?? null,
    expiresAt: await earliestExpiry(store, member),
    now,
  };
  return { ...facts, problems: problemsOf(facts) };
}

/** null: no planner has seen it yet, or it cannot be planned, which its record says. */
function attemptDecision(member: Member, now: number): PlanDecision | null {
  try {
    return planDecisionOf(member, now);
  } catch {
    return null;
  }
}

/** Nothing issued means nothing valid to serve: as urgent as expired just now. */
function byExpiry(a: Examined, b: Examined): number {
  return (a.expiresAt ?? a.now) - (b.expiresAt ?? b.now);
}

function troubleOf(facts: Examined): Trouble {
  const { member, problems, renewal, lastEventAt, expiresAt } = facts;
  const complaints = failuresOf(member);
  const attempts = Math.max(renewal?.attempts ?? 0, ...complaints.map((each) => each.attempts));
  return {
    certificate: member.certificate.name,
    needsPerson: needsPerson(problems, complaints, facts),
    problems,
    expiresAt: iso(expiresAt),
    errors: complaints.map(({ where, code, message, attempts: tried, nextAttemptAt }) => ({
      where,
      code,
      message,
      attempts: tried,
      nextAttemptAt: iso(nextAttemptAt),
    })),
    tried: { failuresInARow: member.record?.failures ?? 0, attempts, lastAt: iso(renewal?.finishedAt ?? lastEventAt) },
    next: nextOf(facts),
    actions: actionsOf(
      facts,
      complaints.map(({ action }) => action),
    ),
    renewalId: renewal?.id ?? null,
  };
}

function nextOf({ member, decision, now }: Examined): Trouble["next"] {
  const { active, record } = member;
  if (active?.state === "held") return { at: null, what: "nothing until it is resumed or rolled back" };
  if (active !== null) {
    const until = waitsUntil(member, now);
    return until === null
      ? { at: iso(now), what: `${active.state} now` }
      : { at: iso(until), what: stoppedBy(member).length > 0 ? "tries again" : "goes on" };
  }
  if (isQuarantined(record)) return { at: null, what: "nothing until it is resumed" };
  if (decision !== null && !decision.due && decision.blockedBy === "paused") {
    return decision.until === null
      ? { at: null, what: "nothing until it is resumed" }
      : { at: iso(decision.until), what: "the pause ends" };
  }
  const at = nextLookAt(member, decision);
  if (at !== null && decision !== null && !decision.due && decision.blockedBy === "restored")
    return { at: iso(Math.max(at, now)), what: "its endpoints are dialled" };
  return at === null
    ? { at: null, what: "nothing: no planner has taken it up" }
    : { at: iso(Math.max(at, now)), what: "a renewal is tried again" };
}

function actionsOf({ member, problems, decision }: Examined, fromErrors: readonly string[]): string[] {
  const { name } = member.certificate;
  const actions = new Set(fromErrors);
  const kinds = problems.map(({ kind }) => kind);
  if (kinds.includes("quarantined") || kinds.includes("paused"))
    actions.add(`Run \`renewd resume ${name}\` once the cause is gone.`);
  if (kinds.includes("noIssuer")) actions.add("Name another issuer for it in the configuration, then reload.");
  if (kinds.includes("unplannable")) actions.add(ERRORS[planErrorCode(member)].action);
  if (kinds.includes("held"))
    actions.add(
      `Mend what failed, then \`renewd resume ${name}\`; or put the pair before back: \`renewd rollback ${name}\`.`,
    );
  if (kinds.includes("restored"))
    actions.add(`Let the planner reach its endpoints, or issue a new certificate: \`renewd renew ${name} --force\`.`);
  if (kinds.includes("drifted"))
    actions.add("Correct what the message names at the target; renewd inspects it again by itself.");
  if (kinds.includes("stuck"))
    actions.add(`Check that a worker for this stage runs: \`renewd worker ${workerFor(member)}\`.`);
  if (actions.size > 0) return [...actions];
  if (member.active !== null) actions.add("Nothing: a renewal is under way.");
  else if (decision?.due) actions.add("Nothing: the planner takes it up at its next tick.");
  else actions.add(`Ask for it by hand: \`renewd renew ${name} --wait\`.`);
  return [...actions];
}

function planErrorCode({ record }: Member): ErrorCode {
  const code = record?.planErrorCode ?? null;
  return code !== null && isErrorCode(code) ? code : "store.unreadable";
}

function workerFor({ active, certificate, deployments }: Member): string {
  if (active?.state === "deploying") {
    const behind = behindTargets(certificate, active.generation, deployments);
    return `deployer --targets ${behind.join(",")}\`, or without \`--targets\` for those that do not say \`agent: true`;
  }
  return active?.state === "verifying" ? "verifier" : "acme";
}

function inFlightOf(member: Member, active: Renewal, now: number): InFlight {
  const { targetsDeployed, targets, endpointsProved, endpoints } = progressOf(member, active.generation);
  return {
    certificate: member.certificate.name,
    renewalId: active.id,
    reason: active.reason,
    trigger: active.trigger,
    stage: active.state,
    startedAt: iso(active.createdAt),
    ageMs: now - active.createdAt,
    attempts: active.attempts,
    waitingUntil: iso(waitsUntil(member, now)),
    errorCode: stoppedBy(member)[0]?.code ?? null,
    targetsDeployed,
    targets,
    endpointsProved,
    endpoints,
  };
}

function summaryOf(examined: readonly Examined[], now: number): Summary {
  const healthy = examined.filter(({ problems }) => problems.length === 0);
  const quiet = healthy.filter(({ member }) => member.active === null);
  const issued = quiet.filter(({ member }) => member.version !== null);
  const live = issued.filter(({ member }) => progressOf(member).provedLive);
  const [soonest] = examined.filter(({ expiresAt }) => expiresAt !== null && expiresAt > now).sort(byExpiry);
  const isPaused = ({ member: { record } }: Examined): boolean =>
    record !== null && record.pausedAt !== null && (record.pausedUntil ?? Number.POSITIVE_INFINITY) > now;
  return {
    certificates: examined.length,
    withProblems: examined.length - healthy.length,
    renewing: healthy.length - quiet.length,
    provedLive: live.length,
    notProved: issued.length - live.length,
    notIssued: quiet.length - issued.length,
    paused: examined.filter(isPaused).length,
    nextExpiry:
      soonest === undefined || soonest.expiresAt === null
        ? null
        : { certificate: soonest.member.certificate.name, at: iso(soonest.expiresAt) },
  };
}
