import type { Certificate } from "../../domain/certificate.ts";
import type { EndpointStatus } from "../../domain/deployment.ts";
import { type Endpoint, endpointKey, type Observation } from "../../domain/endpoint.ts";
import { toRenewalError } from "../../domain/errors.ts";
import { withoutClaim } from "../../domain/lease.ts";
import type { Renewal } from "../../domain/renewal.ts";
import { formatDuration } from "../../domain/time.ts";
import type { Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { renewalEvent } from "../history.ts";
import { assertNotOvertaken, isInterruption, type Lease, withLease } from "./lease.ts";
import { nextActionIgnoringMyClaim } from "./nextAction.ts";
import { reconcile, recordOutcome } from "./reconcile.ts";

/** Between two looks at an address that does not serve the new certificate yet. */
const POLL_FIRST_MS = 100;
const POLL_MAX_MS = 2_000;
/** Between two good handshakes: old workers of a reloaded nginx answered for up to 1.5 s, now and then. */
const CONFIRM_MS = 100;

interface EndpointRound {
  readonly status: EndpointStatus;
  readonly observations: readonly Observation[];
}

interface Needed {
  readonly certificate: Certificate;
  readonly version: Version;
  readonly endpoints: readonly Endpoint[];
}

/** Dials every address of every endpoint that is not proved yet, until all serve the new certificate or time is up. */
export async function verify(context: Context, renewalId: string, signal: AbortSignal): Promise<void> {
  const { store, clock, settings } = context;
  await context.clockGuard.check(signal);
  const claimedAt = clock.monotonic();
  const renewal = await store.renewals.claim(renewalId, clock.now(), settings.leaseMs);
  if (renewal === null) return;
  const extend = (leaseUntil: number): Promise<boolean> =>
    store.renewals.update(renewal.id, renewal.fence, { leaseUntil, nextActionAt: leaseUntil });
  const rounds = await withLease(context, { claimedAt, extend }, signal, (lease) =>
    attemptVerify(context, renewal, lease),
  );
  if (rounds !== null) return recordRounds(context, renewal, rounds);
  await store.renewals.update(renewal.id, renewal.fence, withoutClaim(renewal));
  return reconcile(context, renewalId);
}

/** Null: not needed any more, or interrupted. */
async function attemptVerify(context: Context, renewal: Renewal, lease: Lease): Promise<EndpointRound[] | null> {
  const needed = await endpointsToVerify(context, renewal);
  if (needed === null) return null;
  const { certificate, version, endpoints } = needed;
  const started = { generation: renewal.generation, endpoints: endpoints.map(endpointKey) };
  try {
    await context.store.transaction(async (tx) => {
      assertNotOvertaken(await tx.renewals.update(renewal.id, renewal.fence, {}));
      await tx.events.append(renewalEvent(renewal, context.clock.now(), "verify.started", started));
    });
    return await Promise.all(
      endpoints.map((endpoint) => verifyEndpoint(context, certificate, version, endpoint, lease.signal)),
    );
  } catch (thrown) {
    if (isInterruption(thrown, lease)) return null;
    throw thrown;
  }
}

async function endpointsToVerify(context: Context, claimed: Renewal): Promise<Needed | null> {
  const { action, facts } = await nextActionIgnoringMyClaim(context, { renewal: claimed, deployment: null });
  const { certificate, version } = facts;
  return action.kind === "verify" && certificate !== null && version !== null
    ? { certificate, version, endpoints: action.endpoints }
    : null;
}

async function verifyEndpoint(
  context: Context,
  certificate: Certificate,
  version: Version,
  endpoint: Endpoint,
  signal: AbortSignal,
): Promise<EndpointRound> {
  const { clock, probe } = context;
  const deadline = clock.monotonic() + certificate.verifyTimeoutMs;
  const status = { certificate: certificate.name, endpoint: endpointKey(endpoint), generation: version.generation };
  let addresses: string[];
  try {
    addresses = await probe.addresses(endpoint, signal);
  } catch (thrown) {
    signal.throwIfAborted();
    const error = toRenewalError(thrown);
    return {
      status: {
        ...status,
        proved: false,
        roundEndedAt: clock.now(),
        errorCode: error.code,
        errorMessage: error.message,
      },
      observations: [],
    };
  }
  const observations = await Promise.all(
    addresses.map((address) => converge(context, { endpoint, address, version, deadline }, signal)),
  );
  const wrong = observations.find(({ problem }) => problem !== null);
  return {
    status: {
      ...status,
      proved: wrong === undefined,
      roundEndedAt: clock.now(),
      errorCode: wrong?.problem?.code ?? null,
      errorMessage: wrong?.problem
        ? `${wrong.address}: ${wrong.problem.message} (after ${formatDuration(certificate.verifyTimeoutMs)})`
        : null,
    },
    observations,
  };
}

interface Convergence {
  readonly endpoint: Endpoint;
  readonly address: string;
  readonly version: Version;
  /** On the monotonic clock. */
  readonly deadline: number;
}

/** Polls one address until enough handshakes in a row, spread over a second, are good: a reloading server's old workers answer a few with the old pair. */
async function converge(
  { clock, probe, settings }: Context,
  aim: Convergence,
  signal: AbortSignal,
): Promise<Observation> {
  const { endpoint, address, version, deadline } = aim;
  let pollMs = POLL_FIRST_MS;
  let good = 0;
  for (;;) {
    const observation = await probe.observe(endpoint, address, version, signal);
    signal.throwIfAborted();
    good = observation.problem === null ? good + 1 : 0;
    if (good >= settings.handshakesToProve) return observation;
    if (good > 0) {
      await clock.sleep(CONFIRM_MS, signal);
      continue;
    }
    if (clock.monotonic() >= deadline) return observation;
    await clock.sleep(pollMs, signal);
    pollMs = Math.min(pollMs * 2, POLL_MAX_MS);
  }
}

async function recordRounds(context: Context, renewal: Renewal, rounds: readonly EndpointRound[]): Promise<void> {
  const { clock, log } = context;
  const now = clock.now();
  const { certificate, id: renewalId } = renewal;
  const recorded = await recordOutcome(context, renewalId, async (tx) => {
    if (!(await tx.renewals.update(renewalId, renewal.fence, { leaseUntil: null, openClaims: 0 }))) return false;
    for (const { status, observations } of rounds) {
      await tx.observations.record(status, observations);
      for (const { address, port, served, problem } of observations) {
        const detail = {
          endpoint: status.endpoint,
          address,
          port,
          serial: served?.serial ?? null,
          problem: problem?.message ?? null,
        };
        await tx.events.append(renewalEvent(renewal, now, "verify.addressServed", detail));
      }
      const { endpoint, generation, errorCode, errorMessage } = status;
      if (status.proved)
        await tx.events.append(
          renewalEvent(renewal, now, "verify.converged", { endpoint, generation, addresses: observations.length }),
        );
      else
        await tx.events.append(
          renewalEvent(renewal, now, "verify.stale", { endpoint, generation, code: errorCode, message: errorMessage }),
        );
    }
    return true;
  });
  if (!recorded) log.warn({ certificate, renewalId }, "late write refused: another worker has taken over");
}
