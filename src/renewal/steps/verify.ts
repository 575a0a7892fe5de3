import type { Clock } from "../../domain/clock.ts";
import { withoutClaim } from "../../domain/lease.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import { formatDuration } from "../../domain/time.ts";
import type { Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import type { ClaimedVerification } from "../rooms.ts";
import { restartEvidence } from "../rules/proof.ts";
import { endpointsOf } from "../rules/vantages.ts";
import { claimInTime, underClaim } from "./claim.ts";
import { type Approach, type EndpointRound, examineEndpoints } from "./examineEndpoint.ts";
import { isInterruption, type Lease, withLease } from "./lease.ts";
import { nextActionIgnoringMyClaim } from "./nextAction.ts";
import { reconcile, recordOutcome } from "./reconcile.ts";
import { logProved, recordVerified, verifyStarted } from "./verifyOutcome.ts";

/** Between two connections to an address that does not serve the new certificate yet. */
const PAUSE = { firstMs: 100, maxMs: 2_000 } as const;

/** More time for an address that serves the new certificate whenever it does not drop the connection. */
const DROPPED_EXTRA_MS = 5 * 60_000;

type Needed = NonNullable<ClaimedVerification["needed"]>;

/** Connects to every address of each endpoint that is not proved yet, until all are proved or time is up. */
export async function verify(context: Context, renewalId: string, signal: AbortSignal): Promise<void> {
  const { store, clock } = context;
  await context.clockGuard.check(signal);
  const claimedAt = clock.monotonic();
  const claim = () => store.transaction((tx) => claimAndBegin(context, tx, renewalId));
  const claimed = await claimInTime(context, claim, (late) => giveBack(context, late.renewal), signal);
  if (claimed !== null) await verifyClaimed(context, { ...claimed, claimedAt }, signal);
}

/** Does what is claimed, and records its outcome. */
export async function verifyClaimed(
  context: Context,
  claimed: ClaimedVerification,
  signal: AbortSignal,
): Promise<void> {
  await underClaim(
    context,
    () => giveBack(context, claimed.renewal),
    () => verifyUnderLease(context, claimed, signal),
  );
}

type Claimed = Omit<ClaimedVerification, "claimedAt">;

async function claimAndBegin(context: Context, tx: Store, renewalId: string): Promise<Claimed | null> {
  const { clock, settings } = context;
  const renewal = await tx.renewals.claim(renewalId, clock.now(), settings.leaseMs);
  if (renewal === null) return null;
  const needed = await endpointsToVerify(context, tx, renewal);
  if (needed !== null) {
    await tx.events.append(verifyStarted(renewal, needed.endpoints, clock.now()));
  }
  return { renewal, needed };
}

async function verifyUnderLease(
  context: Context,
  { renewal, needed, claimedAt }: ClaimedVerification,
  signal: AbortSignal,
): Promise<void> {
  const { store } = context;
  const extend = (leaseUntil: number): Promise<boolean> =>
    store.renewals.update(renewal.id, renewal.fence, { leaseUntil, nextActionAt: leaseUntil });
  const rounds = await withLease(context, { claimedAt, extend }, signal, (lease) =>
    attemptVerify(context, needed, lease),
  );
  if (rounds !== null) return recordRounds(context, renewal, rounds);
  await giveBack(context, renewal);
  return reconcile(context, renewal.id);
}

function giveBack({ store }: Context, renewal: Renewal): Promise<boolean> {
  return store.renewals.update(renewal.id, renewal.fence, withoutClaim(renewal));
}

/** Null: not needed any more, or interrupted. */
async function attemptVerify(context: Context, needed: Needed | null, lease: Lease): Promise<EndpointRound[] | null> {
  if (needed === null) return null;
  try {
    return await examineUntilDeadline(context, needed, lease.signal);
  } catch (thrown) {
    if (isInterruption(thrown, lease)) return null;
    throw thrown;
  }
}

async function endpointsToVerify(context: Context, tx: Store, claimed: Renewal): Promise<Needed | null> {
  const { action, facts } = await nextActionIgnoringMyClaim(context, tx, claimed);
  const { certificate, version } = facts;
  if (action.kind !== "verify" || certificate === null || version === null) return null;
  // The others wait for a verifier of their vantage.
  const endpoints = endpointsOf(action.endpoints, context.vantage);
  return endpoints.length === 0 ? null : { certificate, version, endpoints };
}

async function examineUntilDeadline(context: Context, needed: Needed, signal: AbortSignal): Promise<EndpointRound[]> {
  const { verifyTimeoutMs } = needed.certificate;
  const rounds = await examineEndpoints(
    context,
    needed,
    untilDeadline(needed.version, context.clock, verifyTimeoutMs),
    signal,
  );
  const after = ` (after ${formatDuration(verifyTimeoutMs)})`;
  return rounds.map((round) => (usedItsTime(round) ? withSuffix(round, after) : round));
}

/** From now on, until the address is proved or time is up. */
export function untilDeadline({ generation }: Version, clock: Clock, timeoutMs: number): Approach {
  const deadline = clock.monotonic() + timeoutMs;
  return (known) => ({
    evidence: restartEvidence(known, generation),
    connectionsMin: 1,
    pause: PAUSE,
    mayProve: () => true,
    // A row that is still growing may finish: it is bounded by the connections that it takes. A server that limits
    // connections lets it grow slowly.
    stop: ({ lastGroupGood, isOnlyDropped }) =>
      !lastGroupGood && clock.monotonic() >= deadline + (isOnlyDropped ? DROPPED_EXTRA_MS : 0),
  });
}

/** A name without addresses, and one whose addresses cannot be dialled from here, are not waited for. */
function usedItsTime({ observations, status }: EndpointRound): boolean {
  return observations.length > 0 && status.errorCode !== "verify.undialable";
}

function withSuffix(round: EndpointRound, suffix: string): EndpointRound {
  const { errorMessage } = round.status;
  if (errorMessage === null) return round;
  return { ...round, status: { ...round.status, errorMessage: `${errorMessage}${suffix}` } };
}

async function recordRounds(context: Context, renewal: Renewal, rounds: readonly EndpointRound[]): Promise<void> {
  const { log } = context;
  const { certificate, id: renewalId } = renewal;
  const recorded = await recordOutcome(context, renewalId, async (tx) => {
    if (!(await tx.renewals.update(renewalId, renewal.fence, { leaseUntil: null, openClaims: 0 }))) return false;
    await recordVerified(context, tx, renewal, rounds);
    return true;
  });
  if (!recorded) return log.warn({ certificate, renewalId }, "late write refused: another worker has taken over");
  logProved(context, renewal, rounds);
}
