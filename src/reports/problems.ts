import { FIRST_RUN, QUARANTINED } from "../domain/certificate.ts";
import { ERRORS, type ErrorClass, isErrorCode } from "../domain/errorTable.ts";
import type { Renewal } from "../domain/renewal.ts";
import { formatAgo, formatDuration } from "../domain/time.ts";
import type { PlanDecision } from "../renewal/rules/decide.ts";
import { behindTargets } from "../renewal/rules/reasons.ts";
import { isWatchedOnly } from "../renewal/rules/served.ts";
import { isUnplannable } from "../renewal/rules/unplannable.ts";
import { expiryWarningAt, renewalWindow } from "../renewal/rules/window.ts";
import { type Failure, stoppedBy, unprovedEndpoints, waitsUntil } from "./failures.ts";
import { type Member, progressOf } from "./fleet.ts";
import type { Validity } from "./inUse.ts";
import type { Need } from "./needs.ts";

/** Worst first: the first one is the headline. */
export const PROBLEM_KINDS = [
  "expired",
  "revoked",
  "unplannable",
  "noIssuer",
  "quarantined",
  "held",
  "expiring",
  "failing",
  "stale",
  "drifted",
  "notDeployed",
  "paused",
  "restored",
  "stuck",
] as const;
export type ProblemKind = (typeof PROBLEM_KINDS)[number];

export interface Problem {
  readonly kind: ProblemKind;
  /** A sentence without the certificate's name. */
  readonly what: string;
}

/** What the rules below look at, for one certificate. */
export interface Case {
  readonly member: Member;
  readonly decision: PlanDecision | null;
  /** The newest renewal, running or ended. */
  readonly renewal: Renewal | null;
  /** When anything last happened in that renewal, ms since epoch. */
  readonly lastEventAt: number | null;
  /** Earliest expiry among the latest version and whatever targets and endpoints still hold, ms since epoch. */
  readonly expiresAt: number | null;
  /** The pair that it is of. Left out: not known. */
  readonly earliest?: Validity | null;
  /** Where vantages see different things: `office sees generation 6, internet sees generation 7`. Left out: nowhere. */
  readonly differences?: readonly string[];
  /** Roles that no process serves. */
  readonly missing: readonly Need[];
  readonly now: number;
}

/**
 * A renewal without an event for this long, and without a back-off, is stuck. An ACME order may be quiet for minutes.
 */
const STUCK_MS = 600_000;
/** Target names spelled out. */
const NAMES_MAX = 5;

type Rule = (facts: Case) => string | null;

const RULES: Readonly<Record<ProblemKind, Rule>> = {
  expired({ member: { version }, expiresAt, now }) {
    if (expiresAt === null || expiresAt > now) return null;
    const ago = formatAgo(now - expiresAt);
    return version !== null && version.leaf.notAfter > now
      ? `a certificate that expired ${ago} is still in use`
      : `expired ${ago}`;
  },
  revoked: ({ member: { version }, now }) =>
    version === null || version.revokedAt === null
      ? null
      : `generation ${version.generation} was revoked ${formatAgo(now - version.revokedAt)}`,
  unplannable({ member: { record, unreadable } }) {
    const why = record !== null && isUnplannable(record) ? record.planErrorMessage : unreadable;
    return why === null ? null : `cannot be planned, so nothing renews it: ${why}`;
  },
  noIssuer: ({ member: { certificate } }) =>
    certificate.allDistrusted ? "nothing can renew it: every issuer that it names is distrusted" : null,
  quarantined: ({ member: { record } }) =>
    isQuarantined(record) ? "quarantined: nothing is tried until it is resumed" : null,
  held({ member, member: { active }, now, lastEventAt }) {
    if (active?.state !== "held") return null;
    const { targets, targetsDeployed } = progressOf(member, active.generation);
    const since = lastEventAt === null ? "" : ` ${formatAgo(now - lastEventAt)}`;
    const behind = behindTargets(member.certificate, active.generation, member.deployments);
    const others = behind.length === 0 ? "" : `; not holding it until a person decides: ${shown(behind)}`;
    return `held${since} with ${targetsDeployed} of ${targets} targets on generation ${active.generation}${others}`;
  },
  expiring({ member, expiresAt, now }) {
    const { version, active, certificate, record } = member;
    if (isWatchedOnly(certificate, version)) return expiringElsewhere(record, expiresAt, now);
    // Of another version something else is told: what keeps it from being used, and what is still in use.
    if (
      version === null ||
      version.verifiedAt === null ||
      expiresAt === null ||
      expiresAt <= now ||
      now < expiryWarningAt(version.leaf)
    )
      return null;
    const moving = active !== null && active.errorCode === null && active.state !== "held";
    return moving ? null : `expires in ${formatDuration(expiresAt - now)} and nothing newer is proved live`;
  },
  failing({ member, member: { record, active }, renewal, now }) {
    const [stopped] = active === null || active.state === "held" ? [] : stoppedBy(member);
    if (stopped !== undefined)
      return `the renewal in flight fails (${stopped.where}, ${count(stopped.attempts, "attempt")} so far)`;
    const failures = record?.failures ?? 0;
    if (failures === 0 || isSetAside({ member, now })) return null;
    if (renewal?.reason === "rollback" && renewal.state === "succeeded") {
      return `rolled back ${formatAgo(now - (renewal.finishedAt ?? now))}: an earlier pair is in use`;
    }
    return failures === 1 ? "the last renewal failed" : `${failures} renewals in a row failed`;
  },
  stale({ member, differences = [] }) {
    const { version, active } = member;
    // Until its renewal ends, an endpoint that serves the old certificate is work in progress.
    if (active !== null) return null;
    const unproved = unprovedEndpoints(member).length;
    if (unproved === 0) return null;
    if (version === null)
      return `${count(unproved, "endpoint")} of ${member.certificate.endpoints.length} not serving a valid certificate for its names`;
    const mixed = unprovedEndpoints(member).filter(({ errorCode }) => errorCode === "verify.mixed").length;
    const also = mixed === 0 ? "" : ` (${count(mixed, "endpoint")} with several certificates)`;
    const all = member.certificate.endpoints.length;
    const seen = differences.length === 0 ? "" : `: ${differences.join("; ")}`;
    return `${count(unproved, "endpoint")} of ${all} not serving generation ${version.generation}${also}${seen}`;
  },
  drifted({ member: { active, certificate, deployments } }) {
    // An active renewal deploys there and inspects again.
    if (active !== null) return null;
    const found = deployments.filter(
      ({ target, inspectionProblem }) => inspectionProblem !== null && certificate.targets.includes(target),
    );
    const [first] = found;
    const more = found.length > 1 ? ` (and ${count(found.length - 1, "other target")})` : "";
    return first === undefined ? null : `target ${first.target} ${first.inspectionProblem}${more}`;
  },
  notDeployed({ member, now }) {
    const { version, active } = member;
    if (version === null || active !== null) return null;
    const { generation, createdAt } = version;
    const { targets } = member.certificate;
    const behind = behindTargets(member.certificate, generation, member.deployments);
    if (behind.length === 0) return null;
    const partial = behind.length < targets.length ? "partial: " : "";
    return (
      `${partial}${count(behind.length, "target")} of ${targets.length} not holding generation ${generation} ` +
      `(${shown(behind)}), which was issued ${formatAgo(now - createdAt)}`
    );
  },
  paused({ member, member: { record }, decision, expiresAt, now }) {
    if (isSetAside({ member, now })) return null;
    if (decision === null || decision.due || decision.blockedBy !== "paused" || isQuarantined(record)) return null;
    const since =
      record === null || record.pausedAt === null
        ? ""
        : ` ${formatAgo(now - record.pausedAt)} (${record.pausedReason ?? "no reason given"})`;
    if (isHeldAtFirstRun(record))
      return `nothing is ordered until you decide: ${record?.pausedReason?.slice(FIRST_RUN.length) ?? ""}`;
    const untilMs = (expiresAt ?? now) - now;
    const expiry = untilMs > 0 ? `, expires in ${formatDuration(untilMs)}` : "";
    return `paused${since} although a renewal is due${expiry}`;
  },
  restored: ({ decision }) =>
    decision !== null && !decision.due && decision.blockedBy === "restored" ? decision.detail : null,
  stuck({ member: { active }, lastEventAt, now, member }) {
    if (active === null || active.state === "held" || waitsUntil(member, now) !== null) return null;
    const quietMs = now - Math.max(active.createdAt, lastEventAt ?? 0);
    return quietMs < STUCK_MS ? null : `nothing has happened for ${formatDuration(quietMs)} while ${active.state}`;
  },
};

/** Other tooling's certificate is in use: only a person knows who renews it from now on. */
export function isHeldAtFirstRun(record: Member["record"]): boolean {
  return record?.pausedAt != null && (record.pausedReason?.startsWith(FIRST_RUN) ?? false);
}

/** A person paused it before it was ever issued: nothing of it is in use, so nothing can go wrong. */
function isSetAside({ member: { record, version }, now }: Pick<Case, "member" | "now">): boolean {
  return (
    version === null &&
    record !== null &&
    record.pausedAt !== null &&
    (record.pausedUntil ?? Number.POSITIVE_INFINITY) > now &&
    !isQuarantined(record) &&
    !isHeldAtFirstRun(record)
  );
}

export function problemsOf(facts: Case): Problem[] {
  return PROBLEM_KINDS.flatMap((kind) => {
    const what = RULES[kind](facts);
    return what === null ? [] : [{ kind, what }];
  });
}

/** What may go away without anybody: a CA or a target that is down for a while. */
export const HEALING: ReadonlySet<ErrorClass> = new Set(["transient", "rateLimited", "target"]);

/** An error whose cause may go away by itself, with time enough left for that, wakes nobody. */
export function needsPerson(problems: readonly Problem[], complaints: readonly Failure[], facts: Case): boolean {
  const { member, now } = facts;
  const heals =
    member.active !== null &&
    complaints.every(
      ({ code, nextAttemptAt }) => nextAttemptAt !== null && isErrorCode(code) && HEALING.has(ERRORS[code].class),
    );
  const roomLeft =
    member.version !== null && now < renewalWindow(member.version.leaf, member.certificate.policy).emergencyAt;
  return problems.some(({ kind }) => {
    if (kind === "revoked") return member.active === null;
    return kind !== "failing" || !(heals && roomLeft);
  });
}

export function isQuarantined(record: Member["record"]): boolean {
  // A person may have paused it since, for reasons of their own.
  return (
    record?.pausedAt != null &&
    record.lastErrorCode === "internal.crashLoop" &&
    (record.pausedReason?.startsWith(QUARANTINED) ?? false)
  );
}

function shown(names: readonly string[]): string {
  return `${names.slice(0, NAMES_MAX).join(", ")}${names.length > NAMES_MAX ? ", …" : ""}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** The planner warns of it, and then again at its end. */
function expiringElsewhere(record: Case["member"]["record"], expiresAt: number | null, now: number): string | null {
  const warningAt = record?.expiryWarningAt ?? null;
  if (warningAt === null || expiresAt === null || expiresAt <= now) return null;
  if (now < warningAt && warningAt !== expiresAt) return null;
  return `what its endpoints serve expires in ${formatDuration(expiresAt - now)}, and renewd only observes it`;
}
