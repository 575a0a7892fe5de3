import { addAbortListener } from "node:events";
import { raceAbort } from "../../domain/abort.ts";
import type { Deployment, DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import { withoutClaim } from "../../domain/lease.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import type { Context } from "../context.ts";
import { errorDetail, renewalEvent } from "../history.ts";
import { recordMoved } from "../plan/leftTargets.ts";
import type { ClaimedDeployment } from "../rooms.ts";
import { advance, askedBy } from "../rules/advance.ts";
import { maxBackoffMs, retryAt } from "../rules/backoff.ts";
import { claimInTime, underClaim } from "./claim.ts";
import { claimDeployment, isTrusted } from "./claimHere.ts";
import { isInterruption, type Lease, withLease } from "./lease.ts";
import { loadFacts } from "./loadFacts.ts";
import { type LookAtOnce, proveAtOnce, recordLook } from "./proveAtOnce.ts";
import { reconcile, recordOutcome } from "./reconcile.ts";
import { logProved } from "./verifyOutcome.ts";

/**
 * A target that hangs must not occupy a worker without end. Deployers bound each of their own waits by the
 * configuration, half an hour at most; this bound is for waits they forget.
 */
const ATTEMPT_TIMEOUT_MS = 2_400_000;
/**
 * A deployer may clean up after it was asked to stop. If it does not stop, say on a dead file system, it is abandoned.
 */
const STOP_GRACE_MS = 10_000;

type Claimed = Omit<ClaimedDeployment, "claimedAt">;

type Outcome =
  | {
      readonly kind: "deployed";
      readonly receipt: DeployReceipt;
      readonly targetDigest: string | null;
      readonly deployedAt: number;
      readonly durationMs: number;
      readonly look: LookAtOnce | null;
    }
  | { readonly kind: "failed"; readonly error: RenewalError }
  | { readonly kind: "interrupted" };

/** Puts the wanted generation into one target of a renewal's certificate. */
export async function deploy(context: Context, renewalId: string, target: string, signal: AbortSignal): Promise<void> {
  const { store, clock } = context;
  await context.clockGuard.check(signal);
  const claimedAt = clock.monotonic();
  const claim = () => store.transaction((tx) => claimAndBegin(context, tx, renewalId, target));
  const claimed = await claimInTime(context, claim, (late) => giveBack(context, late.deployment), signal);
  if (claimed !== null) await deployClaimed(context, { ...claimed, claimedAt }, signal);
}

/** Does what is claimed, and records its outcome. */
export async function deployClaimed(context: Context, claimed: ClaimedDeployment, signal: AbortSignal): Promise<void> {
  await underClaim(
    context,
    () => giveBack(context, claimed.deployment),
    () => deployUnderLease(context, claimed, signal),
  );
}

/**
 * A job may be older than a cancellation or a hold, or come before its wave: then nothing may be deployed. Nobody
 * decides otherwise before the claim is recorded, as every decision locks the renewal.
 */
async function claimAndBegin(context: Context, tx: Store, renewalId: string, target: string): Promise<Claimed | null> {
  const { clock } = context;
  const renewal = await tx.renewals.lock(renewalId);
  if (renewal === null) return null;
  const { privateKey, observed, ...found } = await tx.renewals.deployFacts(renewal);
  const facts = await loadFacts(context, tx, renewal, found);
  const action = advance(renewal, askedBy(target, facts, clock.now()), clock.now());
  if (action.kind !== "deploy" || !action.targets.includes(target) || facts.version === null) return null;
  const deployment = await claimDeployment(context, tx, { renewal, facts, target });
  if (deployment === null) return null;
  return { ...{ renewal, deployment, version: facts.version, privateKey }, ...{ facts, observed } };
}

function giveBack({ store }: Context, deployment: Deployment): Promise<boolean> {
  const { certificate, target, fence } = deployment;
  return store.deployments.update(certificate, target, fence, withoutClaim(deployment));
}

async function deployUnderLease(context: Context, claimed: ClaimedDeployment, signal: AbortSignal): Promise<void> {
  const { store } = context;
  const { renewal, deployment, claimedAt } = claimed;
  const { certificate, target } = deployment;
  const extend = (leaseUntil: number): Promise<boolean> =>
    store.deployments.update(certificate, target, deployment.fence, { leaseUntil });
  const outcome = await withLease(context, { claimedAt, extend }, signal, (lease) =>
    attemptDeploy(context, claimed, lease),
  );
  switch (outcome.kind) {
    case "deployed":
      return recordDeployed(context, renewal, deployment, outcome);
    case "failed":
      return recordDeployFailed(context, renewal, deployment, outcome.error);
    default:
      await giveBack(context, deployment);
      return reconcile(context, renewal.id);
  }
}

async function attemptDeploy(context: Context, claimed: ClaimedDeployment, lease: Lease): Promise<Outcome> {
  const { store, clock, services, log } = context;
  const { renewal, deployment, version } = claimed;
  const { certificate, target, wantedGeneration: generation } = deployment;
  const startedAt = clock.monotonic();
  try {
    const privateKey = claimed.privateKey();
    // A damaged one throws when it is asked for: a deployer must not take a target for a new one.
    const isDamaged = deployment.isReceiptDamaged ?? deployment.isAltered;
    const previous = isDamaged ? await store.deployments.receipt(certificate, target) : deployment.receipt;
    const { leaf, leafPem, chainPem } = version;
    const pair = { certificate, generation, leaf, leafPem, chainPem, privateKey };
    lease.assertHeld();
    const signal = lease.within(ATTEMPT_TIMEOUT_MS);
    // Both at the same instant: a reload must not record a definition that the deployer does not have.
    const deployer = services.deployer(target);
    const targetDigest = services.certificate(certificate)?.targetDigests[target] ?? null;
    const request = { pair, previous, onlyIfChanged: isTrusted(deployment) };
    const receipt = await withStopGrace(signal, () => deployer.deploy(request, signal));
    const done = { ...{ receipt, targetDigest }, deployedAt: clock.now() };
    const durationMs = Math.round(clock.monotonic() - startedAt);
    const look = await proveAtOnce(context, claimed, deployedRow(deployment, done), lease);
    return { kind: "deployed", ...done, durationMs, look };
  } catch (thrown) {
    if (!isInterruption(thrown, lease)) return { kind: "failed", error: asDeployError(thrown) };
    log.info(
      { certificate, renewalId: renewal.id, target, reason: toRenewalError(thrown).message },
      "deployment interrupted; it is repeated",
    );
    return { kind: "interrupted" };
  }
}

/**
 * An abandoned deployer can do no more harm than an overtaken worker: targets refuse older pairs, and its writes are
 * fenced.
 */
async function withStopGrace<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const abandoned = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  using _stopping = addAbortListener(signal, () => {
    timer = setTimeout(() => abandoned.abort(signal.reason), STOP_GRACE_MS);
  });
  try {
    return await raceAbort(abandoned.signal, work);
  } finally {
    clearTimeout(timer);
  }
}

function asDeployError(thrown: unknown): RenewalError {
  if (thrown instanceof Error && thrown.name === "TimeoutError") {
    return new RenewalError(
      "deploy.timeout",
      `the deployer did not finish within ${ATTEMPT_TIMEOUT_MS / 60_000} minutes`,
      { cause: thrown },
    );
  }
  return toRenewalError(thrown);
}

async function recordDeployed(
  context: Context,
  renewal: Renewal,
  deployment: Deployment,
  { receipt, targetDigest, deployedAt, durationMs, look }: Extract<Outcome, { kind: "deployed" }>,
): Promise<void> {
  const { certificate, target, wantedGeneration: generation } = deployment;
  const recorded = await recordDeployOutcome(context, renewal, deployment, async (tx) => {
    if (!(await tx.deployments.recordDeployed(deployment, { deployedAt, targetDigest, receipt }))) return false;
    const before = deployment.isAltered ? null : deployment.receipt;
    await recordMoved(tx, context.services, { certificate, target, before, receipt }, deployedAt);
    const detail = { ...receipt, generation, durationMs };
    await tx.events.append(renewalEvent(renewal, deployedAt, "deploy.succeeded", detail, target));
    if (look !== null) await recordLook(context, tx, renewal, look);
    return true;
  });
  if (!recorded) return;
  context.log.info({ certificate, renewalId: renewal.id, target, generation, durationMs }, "deployed");
  if (look?.proved) logProved(context, renewal, look.rounds);
}

/** As it will be recorded. */
function deployedRow(
  deployment: Deployment,
  done: Pick<Extract<Outcome, { kind: "deployed" }>, "receipt" | "targetDigest" | "deployedAt">,
): Deployment {
  const cleared = { openClaims: 0, leaseUntil: null, nextAttemptAt: null, exhausted: false };
  const error = { errorCode: null, errorMessage: null };
  return { ...deployment, ...cleared, ...error, ...done, deployedGeneration: deployment.wantedGeneration };
}

async function recordDeployFailed(
  context: Context,
  renewal: Renewal,
  deployment: Deployment,
  error: RenewalError,
): Promise<void> {
  const { store, settings, clock, log } = context;
  const { certificate, target, fence } = deployment;
  const now = clock.now();
  const attempts = deployment.attempts + 1;
  // What counts is the pair that the target would go on serving.
  const kept = await store.versions.get(certificate, deployment.deployedGeneration);
  const attempt = { error, failures: attempts, attemptsMax: settings.deployAttemptsMax, previousCode: null };
  const next = retryAt({ ...attempt, waitMaxMs: maxBackoffMs(kept, now) }, settings, now);
  log.warn(
    { certificate, renewalId: renewal.id, target, code: error.code, err: error, retryAt: next },
    "deployment failed",
  );
  await recordDeployOutcome(context, renewal, deployment, async (tx) => {
    const patch = {
      leaseUntil: null,
      openClaims: 0,
      attempts,
      nextAttemptAt: next,
      exhausted: next === null,
      errorCode: error.code,
      errorMessage: error.message,
    };
    if (!(await tx.deployments.update(certificate, target, fence, patch))) return false;
    await tx.events.append(
      renewalEvent(renewal, now, "deploy.failed", { ...errorDetail(error), attempt: attempts, retryAt: next }, target),
    );
    return true;
  });
}

async function recordDeployOutcome(
  context: Context,
  renewal: Renewal,
  { target }: Deployment,
  outcome: Parameters<typeof recordOutcome>[2],
): Promise<boolean> {
  if (await recordOutcome(context, renewal.id, outcome)) return true;
  context.log.warn(
    { certificate: renewal.certificate, renewalId: renewal.id, target },
    "late write refused: another worker has taken over",
  );
  return false;
}
