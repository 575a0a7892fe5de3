import type { Certificate } from "../../domain/certificate.ts";
import { toRenewalError } from "../../domain/errors.ts";
import { isLeaseHeld } from "../../domain/lease.ts";
import type { Job } from "../../domain/queue.ts";
import { isActive, type Renewal } from "../../domain/renewal.ts";
import type { DeployFacts, RenewalFacts, Store } from "../../domain/store.ts";
import type { Context } from "../context.ts";
import { type Action, advance, type Facts, issuesTheSame } from "../rules/advance.ts";
import type { LoadedFacts } from "../rules/facts.ts";
import { ClaimedHere, deployHere, verifyHere } from "./claimHere.ts";
import { finish } from "./finish.ts";
import { holdRenewal, recordResumed, resumeHeld, type WaveFailed } from "./hold.ts";
import { loadFacts } from "./loadFacts.ts";
import { pairBefore, rollBack } from "./rollBack.ts";
import { wantGeneration } from "./wantGeneration.ts";

/**
 * Loads the facts, decides, records and enqueues what comes next for a renewal. Safe to call at any time from anywhere.
 */
export async function reconcile(context: Context, renewalId: string): Promise<void> {
  await recordChanges(context, async () => [{ renewalId }]);
}

/** What to do after the commit. */
interface Decided {
  readonly jobs: readonly Job[];
  /** The certificate of a replacement whose new version is proved; null: none. */
  readonly proved: string | null;
}

async function actOn(context: Context, decided: readonly Decided[]): Promise<void> {
  await enqueueHint(
    context,
    decided.flatMap(({ jobs }) => jobs),
  );
  for (const { proved } of decided)
    if (proved !== null) await context.store.replacements.wakeNextWave(proved, context.clock.now());
}

function enqueues(jobs: readonly Job[]): Decided {
  return { jobs, proved: null };
}

const NOTHING: Decided = enqueues([]);

/**
 * Records an outcome and what follows from it in one transaction, then enqueues. `outcome` returns false when its
 * compare-and-set was refused: another worker has taken over, and nothing at all is written.
 */
export async function recordOutcome(
  context: Context,
  renewalId: string,
  outcome: (tx: Store) => Promise<boolean>,
): Promise<boolean> {
  const recorded = await recordChanges(context, async (tx) => {
    // The renewal before its deployments, as everywhere: PostgreSQL aborts transactions that lock them crosswise.
    await tx.renewals.lock(renewalId);
    return (await outcome(tx)) ? [{ renewalId }] : [];
  });
  return recorded.length > 0;
}

export interface Change {
  readonly renewalId: string;
  /** As they are after the change; absent: they are loaded. With those, what is to be deployed may be claimed here. */
  readonly facts?: RenewalFacts | DeployFacts;
}

/** As `recordOutcome`, of the renewals that the changes name. */
export async function recordChanges<T extends Change>(
  context: Context,
  change: (tx: Store) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  const here = new ClaimedHere();
  const { changes, decided } = await here.unlessLost(() =>
    context.store.transaction(async (tx) => {
      here.leaveAll();
      const changes = await change(tx);
      const decided: Decided[] = [];
      for (const { renewalId, facts } of changes)
        decided.push(await decideAndRecord(context, { tx, here }, renewalId, facts));
      return { changes, decided };
    }),
  );
  here.begin();
  await actOn(context, decided);
  return changes;
}

/** The queue is a hint: when it cannot be reached, the sweep enqueues the same jobs later. */
async function enqueueHint(context: Context, jobs: readonly Job[]): Promise<void> {
  if (jobs.length === 0) return;
  try {
    await context.queue.enqueue(jobs);
  } catch (thrown) {
    const error = toRenewalError(thrown);
    context.log.warn(
      { renewalId: jobs[0]?.renewalId ?? "", code: error.code, reason: error.message },
      "not enqueued; the sweep will",
    );
  }
}

interface Deciding {
  readonly tx: Store;
  readonly here: ClaimedHere;
}

async function decideAndRecord(
  context: Context,
  { tx, here }: Deciding,
  renewalId: string,
  found?: RenewalFacts | DeployFacts,
): Promise<Decided> {
  const locked = await tx.renewals.lock(renewalId);
  if (locked === null) return NOTHING;
  const now = context.clock.now();
  const renewal = await followConfiguration(context, tx, locked, now);
  const facts = await loadTrusted(context, tx, renewal, { now, found: renewal === locked ? found : undefined });
  const action = advance(renewal, facts, now);
  if (renewal.state === "held" && action.kind !== "wait" && action.kind !== "cancel")
    await recordResumed(tx, renewal, "the pair it kept in use is revoked or about to expire", now);
  switch (action.kind) {
    case "none":
      return NOTHING;
    case "wait":
      await tx.renewals.update(renewal.id, renewal.fence, { nextActionAt: action.until });
      return NOTHING;
    case "hold":
      await holdRenewal(tx, renewal, action, now);
      return NOTHING;
    case "rollBack":
      return rollBackAutomatically(context, { tx, here }, renewal, action, now);
    case "issue":
    case "deploy":
    case "verify": {
      const state = {
        issue: renewal.state === "planned" ? "planned" : "issuing",
        deploy: "deploying",
        verify: "verifying",
      } as const;
      await tx.renewals.update(renewal.id, renewal.fence, {
        state: state[action.kind],
        nextActionAt: now + context.settings.requeueMs,
      });
      if (action.kind === "verify" && (await verifyHere(context, { tx, here }, renewal, facts, action.endpoints)))
        return NOTHING;
      if (action.kind !== "deploy") return enqueues(jobsFor(context, action, renewal, facts));
      const begun = await deployHere(context, { tx, here }, renewal, { ...facts, found }, action.targets);
      const targets = action.targets.filter((target) => !begun.includes(target));
      await tx.deployments.offer(renewal.certificate, targets, now);
      return enqueues(jobsFor(context, { ...action, targets }, renewal, facts));
    }
    case "succeed":
    case "fail":
    case "cancel":
      context.log.info(
        { certificate: renewal.certificate, renewalId: renewal.id, outcome: action.kind },
        "renewal ended",
      );
      await finish(tx, context, renewal, action, facts, now);
      return { jobs: [], proved: action.kind === "succeed" && facts.isReplaced ? renewal.certificate : null };
  }
}

/** The policy wants the last proved pair; if there is none, a person has to decide. */
async function rollBackAutomatically(
  context: Context,
  { tx, here }: Deciding,
  renewal: Renewal,
  failed: WaveFailed,
  now: number,
): Promise<Decided> {
  const certificate = context.services.certificate(renewal.certificate);
  const to = certificate && (await pairBefore(tx, renewal.certificate, renewal.generation, now));
  if (certificate && to)
    return decideAndRecord(
      context,
      { tx, here },
      (await rollBack(tx, { certificate, to, ended: renewal, why: failed.message, trigger: "planner" }, now)).id,
    );
  await holdRenewal(
    tx,
    renewal,
    {
      ...failed,
      message: `${failed.message}; there is no earlier pair that was proved live and is still valid`,
    },
    now,
  );
  return NOTHING;
}

/**
 * A renewal in flight follows a changed configuration: new targets belong to it, and what the change may have fixed is
 * tried at once, without waiting for its back-off. If another certificate is wanted now, `advance` cancels the renewal
 * before it issues.
 */
async function followConfiguration(context: Context, tx: Store, renewal: Renewal, now: number): Promise<Renewal> {
  const certificate = context.services.certificate(renewal.certificate);
  if (certificate === null || certificate.digest === renewal.digest || !isActive(renewal.state)) return renewal;
  const isIssued = (await tx.versions.get(renewal.certificate, renewal.generation)) !== null;
  if (!isIssued && !issuesTheSame(renewal, certificate)) return renewal;
  // Only if the database has the same: this process may not have been reloaded yet.
  if ((await tx.certificates.get(renewal.certificate))?.digest !== certificate.digest) return renewal;
  if (!isIssued) return followBeforeIssue(context, tx, renewal, certificate, now);
  await wantGeneration(tx, { certificate, generation: renewal.generation, renewalId: renewal.id }, now);
  const { digest } = certificate;
  await tx.renewals.update(renewal.id, renewal.fence, { digest });
  const followed = { ...renewal, digest };
  // The change may be the fix.
  return renewal.state === "held" ? resumeHeld(tx, followed, certificate, "the configuration changed", now) : followed;
}

/** The order stays. A CA that asked to wait is still waited for; other errors may be what the change fixes. */
async function followBeforeIssue(
  { settings }: Context,
  tx: Store,
  renewal: Renewal,
  { digest }: Certificate,
  now: number,
): Promise<Renewal> {
  const { retryAt, errorCode } = renewal;
  const isWorking = isLeaseHeld(renewal.leaseUntil, now, settings.leaseMs);
  const hurries = !isWorking && retryAt !== null && retryAt > now && errorCode !== "acme.rateLimited";
  const patch = { digest, ...(hurries && { retryAt: now, nextActionAt: now }) };
  await tx.renewals.update(renewal.id, renewal.fence, patch);
  return { ...renewal, ...patch };
}

/** What somebody else wrote of a target must not keep the pair from it: the row starts again from nothing. */
async function loadTrusted(
  context: Context,
  tx: Store,
  renewal: Renewal,
  { now, found }: { readonly now: number; readonly found: RenewalFacts | undefined },
): Promise<LoadedFacts> {
  const facts = await loadFacts(context, tx, renewal, found);
  const { certificate, outdated, version, deployments } = facts;
  if (certificate === null || outdated || version === null || !isActive(renewal.state)) return facts;
  if (!deployments.some(({ isAltered }) => isAltered)) return facts;
  await wantGeneration(tx, { certificate, generation: renewal.generation, renewalId: renewal.id }, now);
  return loadFacts(context, tx, renewal);
}

function jobsFor(
  { services }: Context,
  action: Extract<Action, { kind: "issue" | "deploy" | "verify" }>,
  renewal: Renewal,
  facts: Facts,
): Job[] {
  const { id: renewalId, generation, priority, fence } = renewal;
  if (action.kind === "issue") return [{ kind: action.kind, renewalId, generation, fence, priority }];
  if (action.kind === "verify")
    return [...new Set(action.endpoints.map(({ vantage }) => vantage ?? null))].map((vantage) => ({
      ...{ kind: action.kind, renewalId, generation, vantage, fence, priority },
    }));
  return facts.deployments
    .filter(({ target }) => action.targets.includes(target))
    .map((row) => ({
      kind: "deploy",
      renewalId,
      generation,
      target: row.target,
      fence: row.fence,
      priority,
      agent: services.hasAgent(row.target),
    }));
}
