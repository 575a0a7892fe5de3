import { type CertificateRecord, QUARANTINED } from "../../domain/certificate.ts";
import { ERRORS } from "../../domain/errorTable.ts";
import type { Reason, Renewal, RenewalState } from "../../domain/renewal.ts";
import type { RenewalFacts, Store } from "../../domain/store.ts";
import type { Context } from "../context.ts";
import { renewalEvent } from "../history.ts";
import { type Action, type Facts, holdsUntil } from "../rules/advance.ts";
import { backoffMs, delayOf, LADDERS_MS, maxBackoffMs } from "../rules/backoff.ts";
import { failedToIssue } from "../rules/decide.ts";
import { expiryWarningAt } from "../rules/window.ts";
import { refundLimits } from "./rateLimits.ts";

type Ending = Extract<Action, { kind: "succeed" | "fail" | "cancel" }>;

const PUTS_OLD_PAIRS: readonly Reason[] = ["rollback", "drift", "targetChanged", "redeploy"];

const STATE = { succeed: "succeeded", fail: "failed", cancel: "cancelled" } as const satisfies Record<
  Ending["kind"],
  RenewalState
>;

/** Ends a renewal and sets when the planner checks its certificate again. Part of the caller's transaction. */
export async function finish(
  tx: Store,
  context: Context,
  renewal: Renewal,
  ending: Ending,
  facts: Facts & Pick<RenewalFacts, "inspectionAt">,
  now: number,
): Promise<void> {
  await tx.renewals.update(renewal.id, renewal.fence, {
    state: STATE[ending.kind],
    finishedAt: now,
    nextActionAt: null,
    leaseUntil: null,
    ...(ending.kind === "fail" ? { errorCode: ending.code, errorMessage: ending.message } : {}),
  });
  // What its order took is final since the version was stored.
  if (facts.version === null) await refundLimits(tx, renewal.id);
  // The key of an order that will not be finished is useless.
  await tx.renewals.saveOrderState(renewal.id, renewal.fence, { privateKey: null, orderUrl: null, csr: null });
  // What was wrong with a target before stays in its status until an inspection has seen it right.
  if (facts.inspectionAt !== null && facts.inspectionAt > now) await tx.deployments.inspectBy(renewal.certificate, now);
  if (ending.kind === "succeed") await recordSucceeded(tx, renewal, facts, now);
  if (ending.kind === "fail") await recordFailed(tx, context, renewal, ending, facts, now);
  if (ending.kind === "cancel") {
    // A removed certificate is not checked any more, unless it has come back just now.
    if (facts.certificate !== null) await tx.certificates.update(renewal.certificate, { nextCheckAt: now });
    await tx.events.append(renewalEvent(renewal, now, "renewal.cancelled", { why: ending.why }));
  }
}

async function recordSucceeded(tx: Store, renewal: Renewal, facts: Facts, now: number): Promise<void> {
  const { version } = facts;
  await tx.versions.markVerified(renewal.certificate, renewal.generation, now, version ?? undefined);
  const record = PUTS_OLD_PAIRS.includes(renewal.reason) ? await tx.certificates.get(renewal.certificate) : null;
  // Deploying an old pair fixes nothing about issuing: a new pair is still wanted, and the last error stays.
  const heals = record === null || !failedToIssue(record.lastErrorCode);
  const healed = { failures: 0, nextAttemptAt: null, lastErrorCode: null, lastErrorMessage: null };
  // The planner decides when it is due next: names may have been added, or a replacement started, meanwhile.
  await tx.certificates.update(renewal.certificate, {
    ...(version !== null && { expiryWarningAt: expiryWarningAt(version.leaf) }),
    ...(heals ? healed : await asDecided(tx, renewal, record)),
    nextCheckAt: now,
  });
  await tx.events.append(
    renewalEvent(renewal, now, "renewal.succeeded", {
      generation: renewal.generation,
      serial: version?.leaf.serial ?? null,
      durationMs: now - renewal.createdAt,
    }),
  );
}

/** A pair that a person put back is in use at last: what failed on the way there is over. */
async function asDecided(
  tx: Store,
  { certificate, generation }: Renewal,
  record: CertificateRecord | null,
): Promise<Partial<CertificateRecord>> {
  if (record?.lastErrorCode !== "deploy.rolledBack" || record.failures === 0) return {};
  const recent = await tx.renewals.list({ certificate, limit: RECENT_MAX });
  const rollback = recent.find((each) => each.reason === "rollback" && each.generation === generation);
  return rollback?.trigger === "request" ? { failures: 0, lastErrorMessage: rollback.reasonDetail } : {};
}

/** A rollback that is older than so many renewals is not the one that has just been made good. */
const RECENT_MAX = 20;

type Failing = Extract<Ending, { kind: "fail" }>;

async function recordFailed(
  tx: Store,
  context: Context,
  renewal: Renewal,
  ending: Failing,
  facts: Facts,
  now: number,
): Promise<void> {
  const record = await tx.certificates.get(renewal.certificate);
  const failures = (record?.failures ?? 0) + 1;
  const { class: errorClass, action } = ERRORS[ending.code];
  const needsPerson = errorClass === "configuration" || errorClass === "caa";
  // An absent deployer is no reason to delay the next pair, which the other targets need by now.
  const step = ending.code === "deploy.unattended" ? 1 : failures;
  const delayMs = needsPerson ? delayOf(LADDERS_MS.person, failures) : backoffMs(step, context.settings);
  const latest = await tx.versions.latest(renewal.certificate);
  const expired = latest !== null && latest.leaf.notAfter <= now;
  const attemptAt = Math.min(now + Math.min(delayMs, maxBackoffMs(latest, now)), whileKept(facts, now));
  const quarantined = ending.code === "internal.crashLoop";
  const keepsWaiting =
    !quarantined && PUTS_OLD_PAIRS.includes(renewal.reason) && failedToIssue(record?.lastErrorCode ?? null);
  // A person put the pair back, which was no failure: that it does not get there is the first.
  const decided = record?.failures === 0;
  await tx.certificates.update(renewal.certificate, {
    failures,
    // Back-off must not outlast the certificate: the planner checks again when it expires.
    nextCheckAt: latest !== null && !expired ? Math.min(attemptAt, latest.leaf.notAfter) : attemptAt,
    // If an old pair cannot be deployed, it is tried again, but the next issue attempt comes no earlier.
    ...(keepsWaiting && decided ? { lastErrorMessage: ending.message } : {}),
    ...(keepsWaiting ? {} : { nextAttemptAt: attemptAt, lastErrorCode: ending.code, lastErrorMessage: ending.message }),
    ...(quarantined ? { pausedAt: now, pausedUntil: null, pausedReason: `${QUARANTINED}${ending.message}` } : {}),
  });
  await tx.events.append(
    renewalEvent(renewal, now, "renewal.failed", {
      code: ending.code,
      message: ending.message,
      action,
      nextAttemptAt: attemptAt,
      failures,
      generation: renewal.generation,
    }),
  );
}

/** A target that still holds an older pair is tried again when that pair's emergency begins. */
function whileKept(facts: Facts, now: number): number {
  const until = facts.certificate === null ? now : holdsUntil(facts.certificate, facts);
  return until > now ? until : Number.POSITIVE_INFINITY;
}
