import type { Deployment } from "../../domain/deployment.ts";
import type { Endpoint } from "../../domain/endpoint.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { DeployFacts, RenewalFacts, Store } from "../../domain/store.ts";
import type { Context } from "../context.ts";
import { renewalEvent } from "../history.ts";
import type { Room } from "../rooms.ts";
import type { LoadedFacts } from "../rules/facts.ts";
import { endpointsOf } from "../rules/vantages.ts";
import { verifyStarted } from "./verifyOutcome.ts";

/**
 * What a transaction claims for workers of its own process. A process that dies after the commit has died right after a
 * claim: the lease ends, and the sweep offers the work again. One that dies before has claimed nothing.
 */
export class ClaimedHere {
  readonly #claimed: { readonly begin: () => void; readonly leave: () => void }[] = [];

  add<Claimed>(room: Room<Claimed>, claimed: Claimed): void {
    this.#claimed.push({ begin: () => room.begin(claimed), leave: () => room.leave() });
  }

  /** The transaction begins again. */
  leaveAll(): void {
    for (const { leave } of this.#claimed.splice(0)) leave();
  }

  async unlessLost<T>(transaction: () => Promise<T>): Promise<T> {
    try {
      return await transaction();
    } catch (thrown) {
      this.leaveAll();
      throw thrown;
    }
  }

  /** The transaction is committed. */
  begin(): void {
    for (const { begin } of this.#claimed.splice(0)) begin();
  }
}

interface Deciding {
  readonly tx: Store;
  readonly here: ClaimedHere;
}

/** Whether a verifier of this process has room for all of it and claimed it. */
export async function verifyHere(
  context: Context,
  { tx, here }: Deciding,
  { id }: Renewal,
  { certificate, version }: LoadedFacts,
  endpoints: readonly Endpoint[],
): Promise<boolean> {
  const { clock, settings, rooms, vantage } = context;
  // The others wait for a verifier of their vantage.
  if (endpointsOf(endpoints, vantage).length < endpoints.length) return false;
  if (certificate === null || version === null) return false;
  const room = rooms?.verify?.() ?? null;
  if (room === null) return false;
  const claimedAt = clock.monotonic();
  const renewal = await tx.renewals.claim(id, clock.now(), settings.leaseMs).catch((thrown: unknown) => {
    room.leave();
    throw thrown;
  });
  if (renewal === null) {
    room.leave();
    return false;
  }
  here.add(room, { renewal, needed: { certificate, version, endpoints }, claimedAt });
  await tx.events.append(verifyStarted(renewal, endpoints, clock.now()));
  return true;
}

/** The targets whose deployments workers of this process have room for and claimed. */
export async function deployHere(
  context: Context,
  { tx, here }: Deciding,
  before: Renewal,
  { found, ...facts }: LoadedFacts & { readonly found: RenewalFacts | DeployFacts | undefined },
  targets: readonly string[],
): Promise<readonly string[]> {
  const { version } = facts;
  if (version === null || found === undefined || !("privateKey" in found)) return [];
  const { privateKey, observed } = found;
  const renewal = { ...before, state: "deploying" } as const;
  const begun: string[] = [];
  for (const target of targets) {
    const room = context.rooms?.deploy?.(target) ?? null;
    if (room === null) continue;
    const claimedAt = context.clock.monotonic();
    const deployment = await claimDeployment(context, tx, { renewal, facts, target }).catch((thrown: unknown) => {
      room.leave();
      throw thrown;
    });
    if (deployment === null) {
      room.leave();
      continue;
    }
    here.add(room, { ...{ renewal, deployment, version, privateKey }, ...{ facts, observed }, claimedAt });
    begun.push(target);
  }
  return begun;
}

/** Null: it is not to be deployed now. */
export async function claimDeployment(
  { clock, settings }: Context,
  tx: Store,
  { renewal, facts, target }: { readonly renewal: Renewal; readonly facts: LoadedFacts; readonly target: string },
): Promise<Deployment | null> {
  const { certificate, generation } = renewal;
  // Another renewal may want a newer pair here by now, in a wave that is not reached yet.
  const known = facts.deployments.find((row) => row.target === target);
  if (known?.wantedGeneration !== generation) return null;
  const deployment = await tx.deployments.claim(certificate, target, clock.now(), settings.leaseMs, known);
  if (deployment === null) return null;
  // From here on files may be replaced without a reload, however this attempt ends.
  if (isTrusted(deployment)) await tx.deployments.update(certificate, target, deployment.fence, { deployedAt: null });
  const started = { generation, attempt: deployment.attempts + 1 };
  await tx.events.append(renewalEvent(renewal, clock.now(), "deploy.started", started, target));
  return deployment;
}

/**
 * The target holds the pair already, as when its definition changed, and no attempt was begun since it was put there:
 * one that failed, was interrupted or died may have replaced files without a reload. Drift and a redeploy by hand set
 * `deployedGeneration` to 0.
 */
export function isTrusted({ wantedGeneration, deployedGeneration, deployedAt }: Deployment): boolean {
  return deployedGeneration === wantedGeneration && deployedAt !== null;
}
