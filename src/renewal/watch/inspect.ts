import { createHash } from "node:crypto";
import pLimit from "p-limit";
import { raceAbort } from "../../domain/abort.ts";
import type { Deployer } from "../../domain/deployer.ts";
import type { Deployment } from "../../domain/deployment.ts";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import { type ErrorCode, isStoreAway } from "../../domain/errorTable.ts";
import type { Store } from "../../domain/store.ts";
import { MINUTE_MS } from "../../domain/time.ts";
import { IMPORTED, type Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { type Finding, heals, judgeInstalled } from "../rules/inspection.ts";
import { isUnconfirmed } from "../rules/restored.ts";

/** Targets that one process asks at once. */
const AT_ONCE = 8;
/** Deployments that one process claims at once. */
const CLAIMS = 64;
const INSPECT_TIMEOUT_MS = 30_000;
/** While a renewal is active, its own deployments and verification say more. */
const DURING_RENEWAL_MS = MINUTE_MS;
const PUT_OFF_MS = MINUTE_MS;
/** The target's fault, whichever certificate it is asked for. */
const NO_ANSWER: ReadonlySet<ErrorCode> = new Set(["deploy.timeout", "deploy.unreachable", "deploy.rateLimited"]);
/** Deployers that started together must not stay in step. */
const JITTER = 0.1;

/** A deployer that can say what its target holds. */
type Inspector = Required<Pick<Deployer, "inspect">>;

/**
 * Asks targets what they hold now. Many servers read their files only when they start, so nobody else would notice a
 * wrong file before that. A target that does not hold what was deployed is drifted: the planner deploys the existing
 * version again. `agentOf`: the targets of this agent; empty: all targets without an agent. Returns how many were
 * asked.
 */
export async function inspectDue(context: Context, agentOf: readonly string[], signal: AbortSignal): Promise<number> {
  const inspectors = inspectorsOf(context, agentOf);
  if (inspectors.size === 0) return 0;
  await context.clockGuard.check(signal);
  // A target that does not answer is asked once in a tick, so that it does not delay the others.
  const silent = new Set<string>();
  const limit = pLimit(AT_ONCE);
  let asked = 0;
  for (let more = true; more && !signal.aborted; ) {
    const claimed = await claim(
      context,
      [...inspectors.keys()].filter((target) => !silent.has(target)),
    );
    await Promise.all(claimed.map((row) => limit(() => inspectAlone(context, row, inspectors, silent, signal))));
    asked += claimed.length;
    more = claimed.length === CLAIMS;
  }
  return asked;
}

/** The targets whose deployer runs in this process and can be asked. */
function inspectorsOf({ services, log }: Context, agentOf: readonly string[]): ReadonlyMap<string, Inspector> {
  // Asked every few seconds: very many certificates share their lists.
  const lists = new Set(services.certificates().map(({ targets }) => targets));
  const configured = new Set([...lists].flat());
  const mine = [...configured].filter((target) =>
    agentOf.length > 0 ? agentOf.includes(target) : !services.hasAgent(target),
  );
  const found = new Map<string, Inspector>();
  for (const target of mine) {
    try {
      const deployer = services.deployer(target);
      if (deployer.inspect !== undefined)
        found.set(target, {
          inspect: (request, signal) => deployer.inspect?.(request, signal) ?? Promise.resolve(null),
        });
    } catch (thrown) {
      log.warn({ target, err: toRenewalError(thrown) }, "target not inspected");
    }
  }
  return found;
}

function claim({ store, clock, settings }: Context, targets: readonly string[]): Promise<Deployment[]> {
  const spread = 1 + JITTER * (2 * Math.random() - 1);
  const now = clock.now();
  const nextAt = Math.round(now + settings.observeMs * spread);
  return store.deployments.claimInspections({ targets, now, nextAt, limit: CLAIMS });
}

/**
 * One target or certificate that fails must not stop the others. It is asked again when its next inspection is due;
 * what was not asked because its target does not answer comes before it.
 */
async function inspectAlone(
  context: Context,
  row: Deployment,
  inspectors: ReadonlyMap<string, Inspector>,
  silent: Set<string>,
  signal: AbortSignal,
): Promise<void> {
  const { certificate, target } = row;
  const inspector = inspectors.get(target);
  if (inspector === undefined) return;
  if (silent.has(target) || signal.aborted) return putOff(context, row);
  try {
    await inspectOne(context, row, inspector, signal);
  } catch (thrown) {
    if (signal.aborted) return putOff(context, row);
    const error = toRenewalError(thrown);
    // The target was not even asked, or its answer could not be compared.
    if (isStoreAway(error.code)) await putOff(context, row);
    else if (NO_ANSWER.has(error.code)) silent.add(target);
    else await recordUninspected(context, row, error);
    context.log.warn({ certificate, target, err: error }, "target not inspected");
  }
}

async function putOff({ store, clock, log }: Context, { certificate, target }: Deployment): Promise<void> {
  try {
    await store.deployments.inspectBy(certificate, clock.now() + PUT_OFF_MS);
  } catch (thrown) {
    log.warn({ certificate, target, err: toRenewalError(thrown) }, "inspected when it is due again");
  }
}

/** Shown, but not deployed again: what the target holds is not known, and another deployment need not change that. */
async function recordUninspected({ store, log }: Context, row: Deployment, { message }: RenewalError): Promise<void> {
  const { certificate, target, fence } = row;
  try {
    const inspectionProblem = `cannot be inspected: ${message}`;
    if (row.inspectionProblem !== inspectionProblem)
      await store.deployments.update(certificate, target, fence, { inspectionProblem });
  } catch (thrown) {
    log.warn({ certificate, target, err: toRenewalError(thrown) }, "not recorded that it cannot be inspected");
  }
}

async function inspectOne(context: Context, row: Deployment, inspector: Inspector, signal: AbortSignal): Promise<void> {
  const { store, services, clock } = context;
  const { certificate, target, deployedGeneration, receipt } = row;
  const version = await store.versions.latest(certificate);
  if (version?.generation !== deployedGeneration || services.certificate(certificate) === null) return;
  if ((await store.renewals.active(certificate)) !== null)
    return store.deployments.inspectBy(certificate, clock.now() + DURING_RENEWAL_MS);
  const installed = await ask(inspector, { certificate, previous: receipt }, signal);
  if (installed === null) return;
  const isOwn = installed.fingerprint === version.leaf.fingerprint;
  const versions = isOwn ? [version] : await store.versions.list(certificate);
  const known = new Map(versions.map(({ leaf, generation }) => [leaf.fingerprint, generation]));
  const finding = judgeInstalled(installed, version, known, wantedChain(version));
  // As almost always: there is nothing to record.
  if (finding === null && row.inspectionProblem === null) return;
  const drifted = await store.transaction((tx) => recordInspection(tx, row, version, finding, clock.now()));
  if (drifted && finding !== null)
    context.log.warn({ certificate, target, problem: finding.what }, "target drifted; it is deployed again");
}

/** null: an imported pair keeps whatever chain its files had. */
function wantedChain({ issuer, chainPem }: Version): readonly string[] | null {
  if (issuer === IMPORTED) return null;
  return chainPem.map((pem) =>
    createHash("sha256")
      .update(Buffer.from(pem.replaceAll(/-----[^-]+-----/g, ""), "base64"))
      .digest("hex"),
  );
}

async function ask(
  inspector: Inspector,
  request: Parameters<Inspector["inspect"]>[0],
  signal: AbortSignal,
): ReturnType<Inspector["inspect"]> {
  const deadline = AbortSignal.timeout(INSPECT_TIMEOUT_MS);
  const bounded = AbortSignal.any([signal, deadline]);
  try {
    // A deployer that does not stop must not stop the others.
    return await raceAbort(bounded, () => inspector.inspect(request, bounded));
  } catch (thrown) {
    if (!deadline.aborted || signal.aborted) throw thrown;
    throw new RenewalError("deploy.timeout", `no answer within ${INSPECT_TIMEOUT_MS / 1_000} s`, { cause: thrown });
  }
}

/** Returns whether the target is drifted and will be deployed to again. */
async function recordInspection(
  tx: Store,
  seen: Deployment,
  version: Version,
  finding: Finding | null,
  now: number,
): Promise<boolean> {
  const { certificate, target, fence, deployedGeneration } = seen;
  await tx.certificates.lock([certificate]);
  const row = await tx.deployments.get(certificate, target);
  const record = await tx.certificates.get(certificate);
  // Something was deployed, or is about to be: what was seen may be out of date.
  if (row === null || record === null || row.fence !== fence || row.deployedGeneration !== deployedGeneration)
    return false;
  if ((await tx.renewals.active(certificate)) !== null) return false;
  const problem = finding?.what ?? null;
  if (finding === null || !heals(finding, row.inspectionProblem)) {
    if (problem !== row.inspectionProblem)
      await tx.deployments.update(certificate, target, fence, { inspectionProblem: problem });
    return false;
  }
  if (!mayReplace(version, record)) return false;
  await tx.deployments.update(certificate, target, fence, { inspectionProblem: problem });
  await tx.deployments.forget(certificate, target);
  const detail = { generation: deployedGeneration, problem };
  await tx.events.append({ at: now, type: "target.drifted", certificate, renewalId: null, target, detail });
  // A new finding may explain why verification failed, so its back-off ends. A repeated one keeps waiting.
  const explains = row.inspectionProblem === null && (record.lastErrorCode?.startsWith("verify.") ?? false);
  await tx.certificates.update(certificate, { nextCheckAt: now, ...(explains && { nextAttemptAt: null }) });
  return true;
}

/**
 * After a restore the target may hold something newer than the database knows. An imported pair may never have been
 * there.
 */
function mayReplace(version: Version, record: Parameters<typeof isUnconfirmed>[0]["record"]): boolean {
  if (isUnconfirmed({ record, version })) return false;
  return version.issuer !== IMPORTED || version.verifiedAt !== null;
}
