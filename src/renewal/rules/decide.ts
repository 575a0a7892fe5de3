import type { CaBudget } from "../../domain/budget.ts";
import type { Certificate } from "../../domain/certificate.ts";
import { deploysExisting, type Reason, type Renewal } from "../../domain/renewal.ts";
import type { ReplacementMembership } from "../../domain/replacement.ts";
import { formatInstant, HOUR_MS } from "../../domain/time.ts";
import type { Version } from "../../domain/version.ts";
import { LADDERS_MS } from "./backoff.ts";
import { type Buckets, type Charge, chargesOf, isRenewal, isUrgent, shortage, wakeAt } from "./budget.ts";
import { WAIT_MAX_MS } from "./issuerChoice.ts";
import { maintenanceBlocker } from "./maintenance.ts";
import { mayReplace } from "./order.ts";
import { drift, firstReason } from "./reasons.ts";
import { isReplacementPending, reasonInReplacement } from "./replacement.ts";
import { blockedAfterRestore, isUnconfirmed, type RestoredFacts, reasonAfterRestore } from "./restored.ts";
import { isInsideWindow, nextDueAt, suggestionFor } from "./suggestion.ts";
import { renewalWindow } from "./window.ts";

/** The end of the wave before wakes its members. This check is for a wake-up that a crash has swallowed. */
const WAVE_CHECK_MS = HOUR_MS;

const DISTRUST_CHECK_MS = HOUR_MS;

export type Blocker =
  | "earlierWave"
  | "inFlight"
  | "observed"
  | "paused"
  | "distrusted"
  | "backedOff"
  | "restored"
  | "frozen"
  | "outsideWindow"
  | "budget";

export type PlanDecision =
  | { readonly due: true; readonly reason: Reason; readonly detail: string }
  /** There is a reason, but something blocks it. `until` null: until somebody acts. */
  | {
      readonly due: false;
      readonly blockedBy: Blocker;
      readonly reason: Reason | null;
      readonly detail: string;
      readonly until: number | null;
    }
  | { readonly due: false; readonly blockedBy: null; readonly detail: string; readonly until: number };

export interface PlanFacts extends RestoredFacts {
  readonly active: Renewal | null;
  readonly budget: BudgetFacts;
  /** The replacement of many certificates that this one belongs to. */
  readonly replacement: ReplacementMembership | null;
}

/** What is left at the CA this certificate would be ordered from. */
export interface BudgetFacts {
  readonly ca: CaBudget;
  /** At least those it would draw on. */
  readonly buckets: Buckets;
}

/** Why a certificate is renewed now, or why not and when next. Pure: `renewd plan` and the planner say the same. */
export function decide(facts: PlanFacts, now: number): PlanDecision {
  const { active, version, certificate, renewalInfo } = facts;
  const found = reasonAfterRestore(facts, reasonInReplacement(facts.replacement, version, firstReason(facts, now)));
  if (active !== null) {
    return {
      due: false,
      blockedBy: "inFlight",
      reason: active.reason,
      detail: `renewal ${active.id} is ${active.state}`,
      until: active.nextActionAt,
    };
  }
  if (found === null) {
    const blocked = blockedByEarlierWave(facts, now) ?? blockedByRestore(facts, null, now);
    if (blocked !== null) return blocked;
    // firstReason finds `missing` without a version, so there is one.
    const dueAt = version === null ? now : nextDueAt(version, certificate.policy, renewalInfo);
    const suggestion = version === null ? null : suggestionFor(version, renewalInfo);
    const suggested =
      suggestion?.renewAt === dueAt
        ? `, as the CA suggests${suggestion.explanationUrl === null ? "" : ` (${suggestion.explanationUrl})`}`
        : "";
    return { due: false, blockedBy: null, detail: `renews ${formatInstant(dueAt)}${suggested}`, until: dueAt };
  }
  const blocked = findBlocker(facts, found.reason, now);
  return (
    (blocked === null ? null : driftMeanwhile(facts, blocked, now)) ??
    blocked ?? { due: true, reason: found.reason, detail: found.detail }
  );
}

/** While issuing is blocked, still deploy the existing pair to targets that lack it. Null: nothing is missing. */
function driftMeanwhile(facts: PlanFacts, blocked: PlanDecision, now: number): PlanDecision | null {
  const { version, record } = facts;
  if (blocked.due || blocked.blockedBy === null || !WAITS_TO_ISSUE.includes(blocked.blockedBy)) return null;
  if (version === null || version.revokedAt !== null || isExpired(facts, now) || isUnconfirmed(facts)) return null;
  // Otherwise deploying itself backs off.
  if (blocked.blockedBy === "backedOff" && !failedToIssue(record.lastErrorCode)) return null;
  const detail = drift({ ...facts, version });
  return detail === null ? null : { due: true, reason: "drift", detail };
}

const WAITS_TO_ISSUE: readonly Blocker[] = ["distrusted", "backedOff", "frozen", "outsideWindow", "budget"];

const ISSUING_CODES: readonly string[] = ["acme.", "solver.", "dns.", "challenge."];

/** The last failure was about getting a new pair, or the pair was taken back; deploying did not fail. */
export function failedToIssue(lastErrorCode: string | null): boolean {
  return (
    lastErrorCode !== null &&
    (ISSUING_CODES.some((prefix) => lastErrorCode.startsWith(prefix)) || lastErrorCode === "deploy.rolledBack")
  );
}

type BlockerCheck = (facts: PlanFacts, reason: Reason, now: number) => PlanDecision | null;

/** What blocks a certificate although there is a reason to renew it: the first that applies is reported. */
const BLOCKERS: readonly BlockerCheck[] = [
  blockedByMode,
  blockedByPause,
  blockedByDistrust,
  blockedByBackoff,
  blockedByRestore,
  blockedByMaintenance,
  blockedByBudget,
];

function findBlocker(facts: PlanFacts, reason: Reason, now: number): PlanDecision | null {
  for (const check of BLOCKERS) {
    const blocked = check(facts, reason, now);
    if (blocked !== null) return blocked;
  }
  return null;
}

function isExpired({ version }: PlanFacts, now: number): boolean {
  return version !== null && version.leaf.notAfter <= now;
}

function blockedByMode({ certificate, version }: PlanFacts, reason: Reason): PlanDecision | null {
  if (certificate.mode !== "observe") return null;
  // Without it, renewd's first certificate would replace the one that clients get.
  const watch =
    version === null
      ? `\`renewd import ${certificate.name} --certificate FILE --key FILE\` takes over the pair in use, `
      : "";
  const detail = `observed only: ${watch}${version === null ? "and then " : ""}set \`mode: renew\` in the configuration to let renewd act`;
  return { due: false, blockedBy: "observed", reason, detail, until: null };
}

function blockedByPause(facts: PlanFacts, reason: Reason, now: number): PlanDecision | null {
  const { pausedAt, pausedUntil, pausedReason } = facts.record;
  // An expired certificate is an outage already: a pause forgotten months ago must not hide it.
  if (pausedAt === null || (pausedUntil !== null && pausedUntil <= now) || isExpired(facts, now)) return null;
  return {
    due: false,
    blockedBy: "paused",
    reason,
    detail: `paused: ${pausedReason ?? "no reason given"}`,
    until: pausedUntil,
  };
}

/** A reload ends it, which makes the certificate due. */
function blockedByDistrust({ certificate }: PlanFacts, reason: Reason, now: number): PlanDecision | null {
  if (!certificate.allDistrusted || deploysExisting(reason)) return null;
  const detail = "every issuer that it names is distrusted";
  return { due: false, blockedBy: "distrusted", reason, detail, until: now + DISTRUST_CHECK_MS };
}

function blockedByBackoff(facts: PlanFacts, reason: Reason, now: number): PlanDecision | null {
  const { nextAttemptAt, failures, lastErrorMessage } = facts.record;
  if (nextAttemptAt === null || nextAttemptAt <= now) return null;
  if (isExpired(facts, now) && nextAttemptAt - now > LADDERS_MS.expired[0]) return null;
  const why = lastErrorMessage ?? "unknown";
  // A person who puts an earlier pair back stops renewing for a while, and nothing failed.
  const detail =
    failures === 0
      ? `an earlier pair was put back: ${why}`
      : `${failures} failure${failures === 1 ? "" : "s"} in a row, last: ${why}`;
  return { due: false, blockedBy: "backedOff", reason, detail, until: nextAttemptAt };
}

/**
 * Drift is fixed with the existing version. A CA counts a renewal in the window it suggested against no limit (RFC 9773
 * §5).
 */
export function isFreeOfBudget(
  {
    certificate,
    version,
    renewalInfo,
    budget: { ca },
  }: Pick<PlanFacts, "certificate" | "version" | "renewalInfo" | "budget">,
  reason: Reason,
  now: number,
): boolean {
  if (deploysExisting(reason) || reason === "renewalInfo") return true;
  return version !== null && mayReplace(certificate, ca, version, now) && isInsideWindow(version, renewalInfo, now);
}

function blockedByBudget(facts: PlanFacts, reason: Reason, now: number): PlanDecision | null {
  if (isFreeOfBudget(facts, reason, now)) return null;
  const {
    certificate,
    version,
    replacement,
    budget: { ca, buckets },
  } = facts;
  const short = shortage(
    chargesFor(certificate, version, ca),
    buckets,
    isReplacementPending(replacement, version) || isUrgent(certificate, version, now),
    now,
  );
  // Then issuing goes to the next issuer.
  if (short === null || (certificate.fallbacks.length > 0 && short.until - now > WAIT_MAX_MS)) return null;
  return {
    due: false,
    blockedBy: "budget",
    reason,
    detail: short.detail,
    until: wakeAt(short.until, certificate, version, now),
  };
}

/** Every bucket the certificate's next order draws on. */
export function chargesFor(certificate: Certificate, version: Version | null, ca: CaBudget): Charge[] {
  return chargesOf(ca, { ...certificate, renewal: isRenewal(certificate, version, ca) });
}

function blockedByMaintenance(
  { certificate, version, renewalInfo, replacement }: PlanFacts,
  reason: Reason,
  now: number,
): PlanDecision | null {
  // A person asked for the replacement, with a deadline.
  if (version === null || isReplacementPending(replacement, version)) return null;
  // The end of the CA's window counts as well: the CA may revoke the certificate then.
  const { emergencyAt } = renewalWindow(version.leaf, certificate.policy);
  const safeUntil = Math.min(emergencyAt, suggestionFor(version, renewalInfo)?.end ?? emergencyAt);
  const held = maintenanceBlocker(certificate.maintenance, reason, safeUntil, now);
  return held && { due: false, reason, ...held };
}

/** Members of earlier waves come first. */
function blockedByEarlierWave(
  { replacement, version, certificate, renewalInfo }: PlanFacts,
  now: number,
): PlanDecision | null {
  if (!isReplacementPending(replacement, version) || replacement.waitsFor === 0) return null;
  const others = `${replacement.waitsFor} certificate${replacement.waitsFor === 1 ? "" : "s"}`;
  const detail = `replacement ${replacement.replacement.slice(0, 8)}: waits for ${others} of earlier waves`;
  // It may become due by itself meanwhile.
  const dueAt = version === null ? now : nextDueAt(version, certificate.policy, renewalInfo);
  const until = Math.min(now + WAVE_CHECK_MS, dueAt);
  return { due: false, blockedBy: "earlierWave", reason: "requested", detail, until };
}

function blockedByRestore(facts: PlanFacts, reason: Reason | null, now: number): PlanDecision | null {
  const detail = blockedAfterRestore(facts, reason);
  if (detail === null) return null;
  // If the endpoints were not dialled yet, the planner does so at its next check.
  return {
    due: false,
    blockedBy: "restored",
    reason,
    detail,
    until: facts.live ? now + LADDERS_MS.restored[0] : (facts.record.nextCheckAt ?? now),
  };
}
