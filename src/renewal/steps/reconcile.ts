import type { Certificate } from "../../domain/certificate.ts";
import type { Endpoint } from "../../domain/endpoint.ts";
import { toRenewalError } from "../../domain/errors.ts";
import { isLeaseHeld } from "../../domain/lease.ts";
import type { Job } from "../../domain/queue.ts";
import { isActive, type Renewal } from "../../domain/renewal.ts";
import type { RenewalFacts, Store } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { type Action, advance, type Facts, issuesTheSame } from "../rules/advance.ts";
import { withoutDeadEndpoints } from "../rules/deadNames.ts";
import { silentVantages } from "../rules/vantages.ts";
import { isConfigurationOutdated } from "./configurationVersion.ts";
import { finish } from "./finish.ts";
import { holdRenewal, recordResumed, resumeHeld, type WaveFailed } from "./hold.ts";
import { pairBefore, rollBack } from "./rollBack.ts";
import { wantGeneration } from "./wantGeneration.ts";

/**
 * Loads the facts, decides, records and enqueues what comes next for a renewal. Safe to call at any time from anywhere.
 */
export async function reconcile(context: Context, renewalId: string): Promise<void> {
  await actOn(context, await context.store.transaction((tx) => decideAndRecord(context, tx, renewalId)));
}

/** What to do after the commit. */
interface Decided {
  readonly jobs: readonly Job[];
  /** The certificate of a replacement whose new version is proved; null: none. */
  readonly proved: string | null;
}

async function actOn(context: Context, { jobs, proved }: Decided): Promise<void> {
  await enqueueHint(context, jobs);
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
export function recordOutcome(
  context: Context,
  renewalId: string,
  outcome: (tx: Store) => Promise<boolean>,
): Promise<boolean> {
  return recordChange(context, async (tx) => {
    // The renewal before its deployments, as everywhere: PostgreSQL aborts transactions that lock them crosswise.
    await tx.renewals.lock(renewalId);
    return (await outcome(tx)) ? { renewalId } : null;
  });
}

interface Changed {
  readonly renewalId: string;
  /** As they are after the change; absent: they are loaded. */
  readonly facts?: RenewalFacts;
}

/** As `recordOutcome`, of the renewal that the change names. Null: nothing was changed. */
export async function recordChange(context: Context, change: (tx: Store) => Promise<Changed | null>): Promise<boolean> {
  const decided = await context.store.transaction(async (tx) => {
    const changed = await change(tx);
    return changed && decideAndRecord(context, tx, changed.renewalId, changed.facts);
  });
  if (decided === null) return false;
  await actOn(context, decided);
  return true;
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

async function decideAndRecord(context: Context, tx: Store, renewalId: string, found?: RenewalFacts): Promise<Decided> {
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
      return rollBackAutomatically(context, tx, renewal, action, now);
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
      if (action.kind === "deploy") await tx.deployments.offer(renewal.certificate, action.targets, now);
      return enqueues(jobsFor(context, action, renewal, facts));
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
  tx: Store,
  renewal: Renewal,
  failed: WaveFailed,
  now: number,
): Promise<Decided> {
  const certificate = context.services.certificate(renewal.certificate);
  const to = certificate && (await pairBefore(tx, renewal.certificate, renewal.generation, now));
  if (certificate && to)
    return decideAndRecord(
      context,
      tx,
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

export type LoadedFacts = Facts & Pick<RenewalFacts, "before" | "inspectionAt" | "isReplaced">;

/** `known`: what the database has of it, read just now; absent: it is read. */
export async function loadFacts(
  context: Context,
  store: Store,
  renewal: Renewal,
  known?: RenewalFacts,
): Promise<LoadedFacts> {
  const configured = context.services.certificate(renewal.certificate);
  const found = known ?? (await store.renewals.facts(renewal));
  const version = found.version(renewal.generation);
  const certificate = configured && withoutDeadEndpoints(configured, version);
  const previous = pairKept(renewal, found);
  const { before, inspectionAt, isReplaced, deployments, endpoints } = found;
  const outdated = isConfigurationOutdated(context, renewal.certificate, found.record);
  const silent = await silentFor(context, store, certificate?.endpoints ?? []);
  const { leaseMs, crashesMax } = context.settings;
  return {
    ...{ certificate, outdated, version, previous, before, inspectionAt, isReplaced },
    ...{ deployments, endpoints, silent, leaseMs, crashesMax },
  };
}

/** Who asks is there, even before its first report. */
async function silentFor(
  { vantage, clock }: Context,
  store: Store,
  endpoints: readonly Endpoint[],
): Promise<ReadonlySet<string>> {
  const others = endpoints.filter((endpoint) => endpoint.vantage !== undefined && endpoint.vantage !== vantage);
  return others.length === 0 ? new Set() : silentVantages(others, await store.health.beats(), clock.now());
}

/** The newest pair that a target of a later wave still holds. If none is known to hold one: the version before. */
function pairKept({ generation, reason }: Renewal, { version, before, deployments }: RenewalFacts): Version | null {
  if (reason === "targetChanged") return version(generation);
  const unreached = deployments.filter(
    (row) => row.attempts === 0 && row.deployedGeneration > 0 && row.deployedGeneration < generation,
  );
  const newest = Math.max(0, ...unreached.map((row) => row.deployedGeneration));
  const kept = newest === 0 ? null : version(newest);
  return kept ?? before();
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
