import { QUARANTINED } from "../../domain/certificate.ts";
import { ERRORS } from "../../domain/errorTable.ts";
import type { Reason, Renewal, RenewalState } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import { DAY_MS } from "../../domain/time.ts";
import type { Context } from "../context.ts";
import { renewalEvent } from "../history.ts";
import { type Action, type Facts, holdsUntil } from "../rules/advance.ts";
import { backoffMs, maxBackoffMs } from "../rules/backoff.ts";
import { failedToIssue } from "../rules/decide.ts";
import { expiryWarningAt } from "../rules/window.ts";
import { refundLimits } from "./rateLimits.ts";

type Ending = Extract<Action, { kind: "succeed" | "fail" | "cancel" }>;

const PUTS_OLD_PAIRS: readonly Reason[] = ["rollback", "drift", "redeploy"];

const STATE = { succeed: "succeeded", fail: "failed", cancel: "cancelled" } as const satisfies Record<
  Ending["kind"],
  RenewalState
>;

/** Ends a renewal and says when the planner looks at its certificate again. Part of the caller's transaction. */
export async function finish(
  tx: Store,
  context: Context,
  renewal: Renewal,
  ending: Ending,
  facts: Facts,
  now: number,
): Promise<void> {
  await tx.renewals.update(renewal.id, renewal.fence, {
    state: STATE[ending.kind],
    finishedAt: now,
    nextActionAt: null,
    leaseUntil: null,
    ...(ending.kind === "fail" ? { errorCode: ending.code, errorMessage: ending.message } : {}),
  });
  await refundLimits(tx, renewal.id);
  // The key of an order that will not be finished is of no use to anyone.
  await tx.renewals.saveOrderState(renewal.id, renewal.fence, { privateKey: null, orderUrl: null, csr: null });
  if (ending.kind === "succeed") await recordSucceeded(tx, renewal, facts, now);
  if (ending.kind === "fail") await recordFailed(tx, context, renewal, ending, facts, now);
  if (ending.kind === "cancel") {
    // One that was removed is looked at no more, unless it has come back just now.
    if (facts.certificate !== null) await tx.certificates.update(renewal.certificate, { nextCheckAt: now });
    await tx.events.append(renewalEvent(renewal, now, "renewal.cancelled", { why: ending.why }));
  }
}

async function recordSucceeded(tx: Store, renewal: Renewal, facts: Facts, now: number): Promise<void> {
  const { version } = facts;
  await tx.versions.markVerified(renewal.certificate, renewal.generation, now);
  if (version !== null)
    await tx.certificates.update(renewal.certificate, { expiryWarningAt: expiryWarningAt(version.leaf) });
  const record = await tx.certificates.get(renewal.certificate);
  // An old pair in place heals nothing: a new one is wanted still, and why the last one failed stays as it was.
  const heals = !(PUTS_OLD_PAIRS.includes(renewal.reason) && failedToIssue(record?.lastErrorCode ?? null));
  const healed = { failures: 0, nextAttemptAt: null, lastErrorCode: null, lastErrorMessage: null };
  // When it is due next is for the planner to say: names may have been added, or a replacement begun, while it was deployed.
  await tx.certificates.update(renewal.certificate, { ...(heals ? healed : {}), nextCheckAt: now });
  await tx.events.append(
    renewalEvent(renewal, now, "renewal.succeeded", {
      generation: renewal.generation,
      serial: version?.leaf.serial ?? null,
      durationMs: now - renewal.createdAt,
    }),
  );
}

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
  // What only a person can mend is asked again daily; everything else by the ladder.
  const delayMs =
    errorClass === "configuration" || errorClass === "caa" ? DAY_MS : backoffMs(failures, context.settings);
  const latest = await tx.versions.latest(renewal.certificate);
  const expired = latest !== null && latest.leaf.notAfter <= now;
  const attemptAt = Math.min(now + Math.min(delayMs, maxBackoffMs(latest, now)), whileKept(facts, now));
  const quarantined = ending.code === "internal.crashLoop";
  const keepsWaiting =
    !quarantined && PUTS_OLD_PAIRS.includes(renewal.reason) && failedToIssue(record?.lastErrorCode ?? null);
  await tx.certificates.update(renewal.certificate, {
    failures,
    // Back-off must not outlast the certificate: when it expires the planner looks again.
    nextCheckAt: latest !== null && !expired ? Math.min(attemptAt, latest.leaf.notAfter) : attemptAt,
    // An old pair that cannot be put in place is tried again, but brings no new one any earlier.
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

/** A target that keeps an older pair is tried once more when that one's emergency begins. */
function whileKept(facts: Facts, now: number): number {
  const until = facts.certificate === null ? now : holdsUntil(facts.certificate, facts);
  return until > now ? until : Number.POSITIVE_INFINITY;
}
