import type { Certificate, WaveFailure } from "../../domain/certificate.ts";
import { type Deployment, deploymentId } from "../../domain/deployment.ts";
import { type Endpoint, endpointKey } from "../../domain/endpoint.ts";
import { isLeaseHeld, pausedUntil } from "../../domain/lease.ts";
import { isActive, type Renewal } from "../../domain/renewal.ts";
import { HOUR_MS } from "../../domain/time.ts";
import { type StagedWave, wavesOf } from "../../domain/waves.ts";
import type { Facts, Failure } from "./facts.ts";
import { CRASH_LOOP, crashLoop, failure, failuresOf, hasCrashed, isBehind, summary } from "./waveFailures.ts";
import { renewalWindow } from "./window.ts";

export type { Facts, Failure } from "./facts.ts";

export type Action =
  | { readonly kind: "none" }
  | { readonly kind: "issue" }
  | { readonly kind: "deploy"; readonly targets: readonly string[] }
  | { readonly kind: "verify"; readonly endpoints: readonly Endpoint[] }
  | { readonly kind: "wait"; readonly until: number }
  | { readonly kind: "succeed" }
  | ({ readonly kind: "fail" } & Failure)
  /** A wave failed: targets of later waves keep the old pair until a person decides or the last proved pair is back. */
  | ({ readonly kind: "hold" | "rollBack"; readonly wave: number } & Failure)
  | { readonly kind: "cancel"; readonly why: string };

/** A held renewal is checked this often: the pair that stays in use gets older. */
const HELD_CHECK_MS = HOUR_MS;
/** If nobody claims a due deployment within this time, no deployer serves the target; its agent may be down. */
const UNATTENDED_MS = 15_000;
/** A process with an outdated configuration leaves due work to the others for this long. */
const OUTDATED_WAIT_MS = 60_000;

/**
 * What comes next for a renewal: the one state machine of renewd. Pure and level-triggered: it reads what is true,
 * not what happened, so a lost or doubled job changes nothing. Every active renewal gets an action or an end.
 */
export function advance(renewal: Renewal, facts: Facts, now: number): Action {
  if (!isActive(renewal.state)) return { kind: "none" };
  if (isLeaseHeld(renewal.leaseUntil, now, facts.leaseMs)) return { kind: "wait", until: renewal.leaseUntil };
  const pause = pausedUntil(renewal, renewal.id, now, facts.leaseMs);
  if (pause > now && renewal.openClaims < facts.crashesMax) return { kind: "wait", until: pause };
  const { certificate, version } = facts;
  // It would cancel certificates it does not know yet, and deploy to targets that were removed.
  if (facts.outdated) return { kind: "wait", until: untilReloaded(renewal, now) };
  if (certificate === null) return { kind: "cancel", why: "the certificate left the configuration" };
  if (version === null) return advanceIssue(renewal, certificate, facts, now);
  // The planner replaces it: a revoked pair must not be deployed.
  if (version.revokedAt !== null) return { kind: "cancel", why: `generation ${version.generation} was revoked` };
  const safeUntil = holdsUntil(certificate, facts);
  if (renewal.state === "held" && now < safeUntil)
    return { kind: "wait", until: Math.min(safeUntil, now + HELD_CHECK_MS) };
  return advanceWaves(renewal, certificate, facts, now);
}

/** A process that was reloaded may have set an earlier instant. */
function untilReloaded({ nextActionAt }: Renewal, now: number): number {
  return nextActionAt !== null && nextActionAt > now ? nextActionAt : now + OUTDATED_WAIT_MS;
}

function advanceIssue(renewal: Renewal, certificate: Certificate, facts: Facts, now: number): Action {
  // An order for names that nobody wants any more must not be finished; the planner starts again with the new
  // configuration.
  const why = superseded(renewal, certificate);
  if (why !== null) return { kind: "cancel", why };
  if (renewal.openClaims >= facts.crashesMax)
    return crashLoop(`${renewal.openClaims} workers in a row died while issuing`);
  if (renewal.retryAt !== null && renewal.retryAt > now) return { kind: "wait", until: renewal.retryAt };
  if (renewal.errorCode !== null && renewal.retryAt === null)
    return { kind: "fail", ...failure(renewal.errorCode, renewal.errorMessage) };
  return { kind: "issue" };
}

/** Why its order is not for what is wanted now; null: it is. */
function superseded(renewal: Renewal, certificate: Certificate): string | null {
  const { issuer, fallbacks, allDistrusted } = certificate;
  if (!issuesTheSame(renewal, certificate)) return "the certificate's configuration changed before it was issued";
  if (renewal.issuer !== null && ![issuer, ...fallbacks].includes(renewal.issuer))
    return `issuer "${renewal.issuer}" is not the certificate's any more`;
  return allDistrusted ? "every issuer that the certificate names is distrusted" : null;
}

/** Whether the configuration of now brings the certificate that the renewal was planned for. */
export function issuesTheSame(
  { digest, issueDigest }: Pick<Renewal, "digest" | "issueDigest">,
  certificate: Pick<Certificate, "digest" | "issueDigest">,
): boolean {
  return issueDigest === null ? digest === certificate.digest : issueDigest === certificate.issueDigest;
}

/** A hold makes sense while the pair it keeps in use is good: an expiring or revoked pair is the worse fault. */
export function holdsUntil(certificate: Certificate, { previous }: Facts): number {
  if (previous === null) return Number.POSITIVE_INFINITY;
  return Math.min(
    renewalWindow(previous.leaf, certificate.policy).emergencyAt,
    previous.revokedAt ?? Number.POSITIVE_INFINITY,
  );
}

/**
 * From when on waiting for a deployer would delay the next pair. A pair that no target has yet serves nobody: a second
 * one would wait for the same deployers and waste an order. So it keeps its place until it is about to expire itself.
 */
function nextPairAt({ generation }: Renewal, { targets, policy }: Certificate, facts: Facts): number {
  if (facts.version === null) return Number.POSITIVE_INFINITY;
  const { dueAt, emergencyAt } = renewalWindow(facts.version.leaf, policy);
  const isInUse = facts.deployments.some((row) => targets.includes(row.target) && row.deployedGeneration >= generation);
  return isInUse ? dueAt : emergencyAt;
}

/** Wave after wave: the first that is not done decides what comes next. */
function advanceWaves(renewal: Renewal, certificate: Certificate, facts: Facts, now: number): Action {
  const waves = wavesFor(renewal, certificate, facts);
  const isSafe = now < holdsUntil(certificate, facts);
  const isDueAgain = now >= nextPairAt(renewal, certificate, facts);
  const failed: Failure[] = [];
  let unattended: Action | null = null;
  for (const wave of waves) {
    const next = advanceWave(wave, renewal, facts, now);
    // Verifying claims the renewal itself, and every recorded outcome resets its count of claims.
    if (next?.kind === "verify" && renewal.openClaims >= facts.crashesMax) {
      const loop = crashLoop(`${renewal.openClaims} workers in a row died while verifying`);
      if (isSafe) return loop;
      failed.push(loop);
      continue;
    }
    if (next !== null) {
      if (!isWaitingInVain(next, wave, facts, now) || (isSafe && !isDueAgain)) return next;
      unattended ??= next;
    }
    const failures = failuresOf(wave, renewal, facts);
    failed.push(...failures);
    const unseen = unseenFrom(unverifiedIn(wave, renewal, facts), facts);
    failed.push(...unseen);
    const [first] = failures;
    // Once the old pair is bad, every target that can take the new one gets it.
    if (!isSafe) continue;
    // That nobody looks says nothing against the pair: it is no reason to take it back.
    if (unseen.length > 0) break;
    if (first === undefined || failures.length <= wave.failureBudget) continue;
    const policy = policyFor(renewal, certificate, facts);
    if (policy === "fail") break;
    const which = waves.length === 1 ? "" : `wave ${wave.number} of ${waves.length}: `;
    return { kind: policy, wave: wave.number, code: first.code, message: `${which}${first.message}` };
  }
  // Waiting for a deployer costs nothing until it would delay the next pair.
  if (unattended !== null && !isDueAgain) return unattended;
  // A crash loop waits for a person: trying again would go on killing workers.
  const first = failed.find(({ code }) => code === CRASH_LOOP) ?? failed[0];
  return first === undefined
    ? { kind: "succeed" }
    : { kind: "fail", code: first.code, message: `${summary(certificate, renewal, facts)}${first.message}` };
}

/**
 * Waves protect against a bad new pair. A pair that was proved live before goes everywhere at once: if a target fails
 * then, the target is at fault; it is tried again without a person and must not delay the others.
 */
function wavesFor(renewal: Renewal, certificate: Certificate, facts: Facts): readonly StagedWave[] {
  return wavesOf(isTrusted(renewal, facts) ? { ...certificate, waves: [] } : certificate);
}

function policyFor(renewal: Renewal, { onWaveFailure }: Certificate, facts: Facts): WaveFailure {
  if (isTrusted(renewal, facts)) return "fail";
  // An earlier pair would not help: the definition is what failed.
  return renewal.reason === "targetChanged" && onWaveFailure === "rollBack" ? "hold" : onWaveFailure;
}

function isTrusted({ reason }: Renewal, { version }: Facts): boolean {
  // A changed definition is as untried as a new pair.
  return reason === "rollback" || (reason !== "targetChanged" && version !== null && version.verifiedAt !== null);
}

/** Null: nothing is left to do for this wave, whether it succeeded or failed. */
function advanceWave(wave: StagedWave, renewal: Renewal, facts: Facts, now: number): Action | null {
  const rows = facts.deployments.filter(({ target }) => wave.targets.includes(target));
  const pending = rows.filter((row) => isPending(row, renewal, facts, now));
  // Targets first: nothing is verified while a deployment is running or about to start.
  const leased = pending.filter((row) => isLeaseHeld(row.leaseUntil, now, facts.leaseMs));
  const notBefore = (row: Deployment): number =>
    Math.max(row.nextAttemptAt ?? 0, pausedUntil(row, deploymentId(row), now, facts.leaseMs));
  const due = pending.filter((row) => !leased.includes(row) && notBefore(row) <= now);
  const offer: Action = { kind: "deploy", targets: due.map(({ target }) => target) };
  if (due.length > 0 && !isUnattended(offer, facts, now)) return offer;
  if (leased.length > 0) return { kind: "wait", until: Math.min(...leased.map((row) => row.leaseUntil ?? now)) };

  // A failing target must not delay the proof of the others: deployed targets are verified before waiting for it.
  const unverified = unverifiedIn(wave, renewal, facts);
  const reachable = unverified.filter((endpoint) => !isUnseen(endpoint, facts));
  if (reachable.length > 0) return { kind: "verify", endpoints: reachable };
  if (due.length > 0) return offer;
  if (pending.length > 0) return { kind: "wait", until: Math.min(...pending.map(notBefore)) };
  if (unverified.length > 0) return { kind: "verify", endpoints: unverified };
  if (wave.bakeMs === 0 || failuresOf(wave, renewal, facts).length > wave.failureBudget) return null;

  const bakedAt = Math.max(0, ...rows.map((row) => row.deployedAt ?? 0)) + wave.bakeMs;
  if (now < bakedAt) return { kind: "wait", until: bakedAt };
  const unbaked = unverifiedIn(wave, renewal, facts, bakedAt);
  const seen = unbaked.filter((endpoint) => !isUnseen(endpoint, facts));
  return unbaked.length > 0 ? { kind: "verify", endpoints: seen.length > 0 ? seen : unbaked } : null;
}

function unverifiedIn(wave: StagedWave, renewal: Renewal, facts: Facts, since = 0): readonly Endpoint[] {
  return wave.endpoints.filter((endpoint) => needsRound(endpoint, renewal, facts, since));
}

/** No verifier dials from its vantage. */
function isUnseen({ vantage }: Endpoint, { silent }: Facts): boolean {
  return vantage !== undefined && silent.has(vantage);
}

function unseenFrom(endpoints: readonly Endpoint[], facts: Facts): Failure[] {
  return endpoints
    .filter((endpoint) => isUnseen(endpoint, facts))
    .map((endpoint) => ({
      code: "verify.vantageSilent",
      message: `endpoint ${endpointKey(endpoint)}: no verifier of vantage ${endpoint.vantage} runs`,
    }));
}

/** Nobody claims the offered work, or the rest backs off: a target is down or asked to wait, or a vantage is silent. */
function isWaitingInVain(action: Action, wave: StagedWave, facts: Facts, now: number): boolean {
  if (action.kind === "verify") return action.endpoints.every((endpoint) => isUnseen(endpoint, facts));
  // A deployer that has just served another target is busy, not absent.
  const servedAt = Math.max(0, ...facts.deployments.map(({ deployedAt }) => deployedAt ?? 0));
  if (action.kind !== "wait") return isUnattended(action, facts, now) && now >= servedAt + UNATTENDED_MS;
  return facts.deployments.every(
    ({ target, leaseUntil }) => !wave.targets.includes(target) || leaseUntil === null || leaseUntil <= now,
  );
}

/**
 * The facts for a deployer that asks for the target's work: it is here, however late, so the target is not unattended.
 */
export function askedBy(target: string, facts: Facts, now: number): Facts {
  const isOffered = (row: Deployment): boolean =>
    row.target === target && row.nextAttemptAt !== null && row.nextAttemptAt <= now;
  return {
    ...facts,
    deployments: facts.deployments.map((row) => (isOffered(row) ? { ...row, nextAttemptAt: now } : row)),
  };
}

/** All due deployments have been offered for a while, and nobody claimed one. */
function isUnattended(action: Action, { deployments }: Facts, now: number): boolean {
  if (action.kind !== "deploy") return false;
  const rows = deployments.filter(({ target }) => action.targets.includes(target));
  return rows.every(({ nextAttemptAt }) => nextAttemptAt !== null && nextAttemptAt + UNATTENDED_MS <= now);
}

/** Deployments that may still be tried in this renewal. */
function isPending(row: Deployment, renewal: Renewal, facts: Facts, now: number): boolean {
  const isHeld = isLeaseHeld(row.leaseUntil, now, facts.leaseMs);
  return isBehind(row, renewal, facts) && !row.exhausted && (isHeld || !hasCrashed(row, facts));
}

/**
 * A handshake counts only after the start of this renewal, after the last deployment behind the endpoint, and after
 * `since`.
 */
function needsRound(endpoint: Endpoint, renewal: Renewal, facts: Facts, since: number): boolean {
  const serving = facts.deployments.filter((row) => isServedBy(endpoint, row, facts));
  const deployed = serving.filter((row) => !isBehind(row, renewal, facts));
  if (serving.length > 0 && deployed.length === 0) return false;
  const after = Math.max(since, renewal.createdAt, ...deployed.map((row) => row.deployedAt ?? 0));
  const status = facts.endpoints.find(
    (row) => row.endpoint === endpointKey(endpoint) && row.generation === renewal.generation,
  );
  return status === undefined || status.roundEndedAt === null || status.roundEndedAt < after;
}

function isServedBy(endpoint: Endpoint, row: Deployment, { certificate }: Facts): boolean {
  return endpoint.target === null
    ? (certificate?.targets.includes(row.target) ?? false)
    : row.target === endpoint.target;
}
