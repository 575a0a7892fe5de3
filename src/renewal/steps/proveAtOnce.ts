import type { Deployment } from "../../domain/deployment.ts";
import type { Endpoint } from "../../domain/endpoint.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import type { Context } from "../context.ts";
import type { ClaimedDeployment } from "../rooms.ts";
import { advance } from "../rules/advance.ts";
import type { LoadedFacts } from "../rules/facts.ts";
import { endpointsOf } from "../rules/vantages.ts";
import { type Approach, type EndpointRound, type Examined, examineEndpoints, serverOf } from "./examineEndpoint.ts";
import type { Lease } from "./lease.ts";
import { untilDeadline } from "./verify.ts";
import { recordVerified, verifyStarted } from "./verifyOutcome.ts";

/** On a busy machine the kernel's tables take seconds to read. What takes longer is left to the verifiers. */
const LOOK_MS = 30_000;

export interface LookAtOnce {
  readonly startedAt: number;
  readonly endpoints: readonly Endpoint[];
  readonly rounds: readonly EndpointRound[];
  /** All endpoints. */
  readonly proved: boolean;
}

/**
 * What a process of this machine has taken at once is proved in milliseconds. Where this process verifies as well, it
 * looks under the deployment's lease, so that one transaction records both and no verifier has to claim the renewal.
 * Null: only the verifiers look, as everywhere else.
 */
export async function proveAtOnce(
  context: Context,
  { renewal, facts, observed }: ClaimedDeployment,
  deployed: Deployment,
  lease: Lease,
): Promise<LookAtOnce | null> {
  if (context.isVerifier !== true) return null;
  const startedAt = context.clock.now();
  const needed = neededAfter(context, renewal, facts, deployed);
  if (needed === null) return null;
  const signal = lease.within(LOOK_MS);
  try {
    const servers = await serversOf(context, needed, signal);
    if (servers === null) return null;
    const rounds = await examineEndpoints(
      context,
      { ...needed, observed, servers },
      whileAlone(needed, context),
      signal,
    );
    const proved = rounds.every(({ status }) => status.proved);
    return { startedAt, endpoints: needed.endpoints, rounds, proved };
  } catch {
    // The deployment is done, however the look ended.
    return null;
  }
}

/**
 * Part of the caller's transaction. Of a look that proves nothing only that another certificate was served is kept: what
 * the verifiers find must not look cleaner than it is.
 */
export async function recordLook(
  context: Context,
  tx: Store,
  renewal: Renewal,
  { startedAt, endpoints, rounds, proved }: LookAtOnce,
): Promise<void> {
  // A verifier may have claimed the renewal since.
  if (!(await tx.renewals.update(renewal.id, renewal.fence, { openClaims: 0 }))) return;
  if (proved) {
    await tx.events.append(verifyStarted(renewal, endpoints, startedAt));
    return recordVerified(context, tx, renewal, rounds);
  }
  for (const { status, observations, evidence } of rounds)
    if ([...evidence.values()].some(({ lastWrongAt }) => lastWrongAt !== null))
      await tx.observations.record({ ...status, proved: false, roundEndedAt: null }, observations, evidence);
}

/** null: of one at least nobody can tell which process it is. */
async function serversOf(
  context: Context,
  needed: Examined,
  signal: AbortSignal,
): Promise<ReadonlyMap<Endpoint, number> | null> {
  const found = new Map<Endpoint, number>();
  for (const endpoint of needed.endpoints) {
    const server = await serverOf(context, { ...needed, endpoint }, signal);
    if (server === null) return null;
    found.set(endpoint, server);
  }
  return found;
}

/** Where another process answers as well, time has to show that no more do. */
function whileAlone({ version }: Examined, { clock }: Context): Approach {
  const once = untilDeadline(version, clock, 0);
  return (...address) => ({ ...once(...address), stop: ({ isAlone }) => !isAlone });
}

/** What is to be verified once this is recorded; null: nothing, or not by this process alone. */
function neededAfter(context: Context, renewal: Renewal, facts: LoadedFacts, deployed: Deployment): Examined | null {
  const deployments = facts.deployments.map((row) => (row.target === deployed.target ? deployed : row));
  const action = advance(renewal, { ...facts, deployments }, context.clock.now());
  const { certificate, version } = facts;
  if (action.kind !== "verify" || certificate === null || version === null) return null;
  const { endpoints } = action;
  return endpointsOf(endpoints, context.vantage).length === endpoints.length
    ? { certificate, version, endpoints }
    : null;
}
