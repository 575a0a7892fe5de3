import type { Deployment, DeployReceipt } from "../../domain/deployment.ts";
import { toRenewalError } from "../../domain/errors.ts";
import type { Exercise } from "../../domain/exercise.ts";
import { withoutClaim } from "../../domain/lease.ts";
import type { Store } from "../../domain/store.ts";
import { SECOND_MS } from "../../domain/time.ts";
import type { Context } from "../context.ts";
import { claimInTime, underClaim } from "./claim.ts";
import { assertNotOvertaken, isInterruption, type Lease, withLease } from "./lease.ts";

const ATTEMPT_TIMEOUT_MS = 120 * SECOND_MS;

/**
 * Gives the certificate of an exercise that has begun an expired pair, at the one target that it has. Only the
 * certificate that this process's own configuration names for it is ever broken. `agentOf`: the targets of this agent;
 * empty: all targets without an agent. Returns whether one was broken.
 */
export async function breakForExercise(
  context: Context,
  agentOf: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  const { store, settings, services } = context;
  const { exercise: configured } = settings.alerts;
  if (configured === null) return false;
  const exercise = (await store.exercises.running()).find(isWanted);
  if (exercise === undefined || exercise.certificate !== configured.certificate) return false;
  const { certificate, target } = exercise;
  if (services.certificate(certificate)?.targets.includes(target) !== true) return false;
  if (agentOf.length > 0 ? !agentOf.includes(target) : services.hasAgent(target)) return false;
  await context.clockGuard.check(signal);
  const claimedAt = context.clock.monotonic();
  const claim = () => store.deployments.claim(certificate, target, context.clock.now(), settings.leaseMs);
  const deployment = await claimInTime(context, claim, (late) => giveBack(store, late), signal);
  if (deployment === null) return false;
  const extend = (leaseUntil: number) =>
    store.deployments.update(certificate, target, deployment.fence, { leaseUntil });
  return underClaim(
    context,
    () => giveBack(store, deployment),
    async () => {
      const outcome = await withLease(context, { claimedAt, extend }, signal, (lease) =>
        breakOne(context, exercise, deployment, lease),
      );
      if (outcome === null) await giveBack(store, deployment);
      else if ("receipt" in outcome) return recordBroken(context, exercise, deployment, outcome.receipt);
      else await recordFailed(context, exercise, deployment, outcome.problem);
      return false;
    },
  );
}

function isWanted({ brokenAt, endedAt }: Exercise): boolean {
  return brokenAt === null && endedAt === null;
}

async function giveBack(store: Store, deployment: Deployment): Promise<boolean> {
  const { certificate, target, fence } = deployment;
  return store.deployments.update(certificate, target, fence, withoutClaim(deployment));
}

/** null: it is not wanted any more, or was interrupted. */
type Outcome = { readonly receipt: DeployReceipt } | { readonly problem: string } | null;

async function breakOne(
  context: Context,
  exercise: Exercise,
  { certificate, target, fence }: Deployment,
  lease: Lease,
): Promise<Outcome> {
  const { store, services, clock, log } = context;
  const { generation } = exercise;
  try {
    const version = await store.versions.get(certificate, generation);
    const pair = version === null ? undefined : await services.expiredPair?.(version.leaf, clock.now());
    const previous = await store.deployments.receipt(certificate, target);
    const isStillWanted = await store.transaction(async (tx) => {
      if (!isRunning(exercise, await tx.exercises.running()) || (await tx.renewals.active(certificate)) !== null)
        return false;
      // Written before anything is touched: if a process dies from here on, the target counts as holding nothing.
      assertNotOvertaken(await tx.deployments.update(certificate, target, fence, NOTHING_THERE));
      return true;
    });
    if (!isStillWanted || pair === undefined) return null;
    lease.assertHeld();
    const request = { pair: { certificate, generation, ...pair }, previous };
    return { receipt: await services.deployer(target).deploy(request, lease.within(ATTEMPT_TIMEOUT_MS)) };
  } catch (thrown) {
    if (isInterruption(thrown, lease)) return null;
    const error = toRenewalError(thrown);
    log.warn({ certificate, target, err: error }, "the certificate of an exercise cannot be broken");
    return { problem: error.message };
  }
}

const NOTHING_THERE = { deployedGeneration: 0, deployedAt: null } as const;

function isRunning({ id }: Exercise, running: readonly Exercise[]): boolean {
  return running.some((each) => each.id === id && isWanted(each));
}

/** Endpoints are looked at now, as they would be some day after somebody else had done this. */
async function recordBroken(
  { store, clock }: Context,
  exercise: Exercise,
  { certificate, target, fence }: Deployment,
  receipt: DeployReceipt,
): Promise<boolean> {
  return store.transaction(async (tx) => {
    await tx.certificates.lock([certificate]);
    const now = clock.now();
    const released = { leaseUntil: null, openClaims: 0, receipt, ...NOTHING_THERE };
    assertNotOvertaken(await tx.deployments.update(certificate, target, fence, released));
    const current = (await tx.exercises.running()).find(({ id }) => id === exercise.id);
    // It was given up meanwhile: what puts it right comes after this.
    if (current === undefined || !isWanted(current)) return false;
    await tx.exercises.save({ ...current, brokenAt: now, problem: null });
    const detail = { exercise: exercise.id };
    await tx.events.append({ at: now, type: "exercise.broken", certificate, renewalId: null, target, detail });
    await tx.certificates.update(certificate, { nextObservationAt: now });
    return true;
  });
}

/** It is tried again for some minutes; the history has each reason once. */
async function recordFailed(
  { store, clock }: Context,
  exercise: Exercise,
  deployment: Deployment,
  problem: string,
): Promise<void> {
  const { certificate, target, fence } = deployment;
  await store.transaction(async (tx) => {
    await tx.certificates.lock([certificate]);
    await tx.deployments.update(certificate, target, fence, { leaseUntil: null, openClaims: 0 });
    const current = (await tx.exercises.running()).find(({ id }) => id === exercise.id);
    if (current === undefined || !isWanted(current) || current.problem === problem) return;
    await tx.exercises.save({ ...current, problem });
    const detail = { exercise: exercise.id, message: problem };
    await tx.events.append({ at: clock.now(), type: "exercise.failed", certificate, renewalId: null, target, detail });
  });
}
