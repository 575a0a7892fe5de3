import type { Certificate } from "../../domain/certificate.ts";
import type { EndpointStatus } from "../../domain/deployment.ts";
import { type Endpoint, endpointKey, type Observation } from "../../domain/endpoint.ts";
import { toRenewalError } from "../../domain/errors.ts";
import type { NewEvent } from "../../domain/event.ts";
import type { Store } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { markOvertaken } from "../plan/restoreCheck.ts";
import { withoutDeadEndpoints } from "../rules/deadNames.ts";
import { behindTargets } from "../rules/reasons.ts";
import { overtaking } from "../rules/restored.ts";

/** A bad look is repeated, as a server may be restarting just then; what is still bad at the last one counts. */
const LOOKS = 3;
const BETWEEN_LOOKS_MS = 2_000;
/** Verifiers that started together do not look together for ever. */
const JITTER = 0.1;
/** Certificates looked at by one process at once. */
const AT_ONCE = 16;

/**
 * Dials the endpoints of certificates that no renewal is working on, so that what people see stays true between renewals:
 * somebody replaced a file, a node was rebuilt, a pair taken over from elsewhere is in place. What no longer serves the
 * certificate makes it due for `drift`. Returns how many certificates were looked at.
 */
export async function observeDue(context: Context, signal: AbortSignal): Promise<number> {
  let looked = 0;
  let more = true;
  while (more && !signal.aborted) {
    const taken = await observeSome(context, signal);
    looked += taken;
    more = taken === AT_ONCE;
  }
  return looked;
}

async function observeSome(context: Context, signal: AbortSignal): Promise<number> {
  const { store, clock, settings, log } = context;
  // By a wrong clock a good certificate looks expired.
  await context.clockGuard.check(signal);
  const spread = 1 + JITTER * (2 * Math.random() - 1);
  const names = await store.certificates.claimObservations({
    now: clock.now(),
    nextAt: clock.now() + settings.observeMs * spread,
    limit: AT_ONCE,
  });
  await Promise.all(
    names.map(async (name) => {
      try {
        await observeOne(context, name, signal);
      } catch (thrown) {
        // The next look comes by itself, and one that fails must not keep the others from being looked at.
        if (!signal.aborted) log.warn({ certificate: name, err: toRenewalError(thrown) }, "endpoints not observed");
      }
    }),
  );
  return names.length;
}

async function observeOne(context: Context, name: string, signal: AbortSignal): Promise<void> {
  const { store, services } = context;
  const configured = services.certificate(name);
  const version = await store.versions.latest(name);
  const certificate = configured && withoutDeadEndpoints(configured, version);
  // A renewal's own verification says more, and says it about the pair it has just deployed.
  if (certificate === null || version === null || (await store.renewals.active(name)) !== null) return;
  const found = await Promise.all(
    certificate.endpoints.map((endpoint) => observeEndpoint(context, version, endpoint, signal)),
  );
  await store.transaction((tx) => recordObservations(tx, certificate, version, found, context.clock.now()));
}

interface Found {
  readonly status: EndpointStatus;
  readonly observations: readonly Observation[];
}

async function observeEndpoint(
  context: Context,
  version: Version,
  endpoint: Endpoint,
  signal: AbortSignal,
): Promise<Found> {
  let found = await dialEndpoint(context, version, endpoint, signal);
  for (let looks = 1; looks < LOOKS && !found.status.proved; looks += 1) {
    await context.clock.sleep(BETWEEN_LOOKS_MS, signal);
    found = await dialEndpoint(context, version, endpoint, signal);
  }
  return found;
}

async function dialEndpoint(
  { probe, clock }: Context,
  version: Version,
  endpoint: Endpoint,
  signal: AbortSignal,
): Promise<Found> {
  const { certificate, generation } = version;
  const base = { certificate, endpoint: endpointKey(endpoint), generation };
  try {
    const addresses = await probe.addresses(endpoint, signal);
    const observations = await Promise.all(
      addresses.map((address) => probe.observe(endpoint, address, version, signal)),
    );
    signal.throwIfAborted();
    const wrong = observations.find(({ problem }) => problem !== null);
    const [errorCode, errorMessage] = wrong?.problem
      ? [wrong.problem.code, `${wrong.address}: ${wrong.problem.message}`]
      : [null, null];
    return {
      status: { ...base, proved: wrong === undefined, roundEndedAt: clock.now(), errorCode, errorMessage },
      observations,
    };
  } catch (thrown) {
    signal.throwIfAborted();
    const { code, message } = toRenewalError(thrown);
    return {
      status: { ...base, proved: false, roundEndedAt: clock.now(), errorCode: code, errorMessage: message },
      observations: [],
    };
  }
}

/** History tells of changes only; the observations themselves are replaced each time. */
async function recordObservations(
  tx: Store,
  certificate: Certificate,
  version: Version,
  found: readonly Found[],
  now: number,
): Promise<void> {
  const { name } = certificate;
  const latest = await tx.versions.latest(name);
  if (latest?.generation !== version.generation || (await tx.renewals.active(name)) !== null) return;
  const before = new Map((await tx.observations.statuses(name)).map((status) => [status.endpoint, status]));
  let changed = false;
  for (const { status, observations } of found) {
    await tx.observations.record(status, observations);
    const known = before.get(status.endpoint);
    if (
      known?.generation === status.generation &&
      known.proved === status.proved &&
      known.errorCode === status.errorCode
    )
      continue;
    changed = true;
    await tx.events.append(changeEvent(status, observations.length, now));
  }
  const known = new Set((await tx.versions.list(name)).map(({ leaf }) => leaf.fingerprint));
  const seen = found.flatMap(({ status, observations }) =>
    observations.map((each) => ({ ...each, endpoint: status.endpoint })),
  );
  const newer = overtaking(seen, version, known);
  // Another certificate of ours for the same names, of another key type say, is no stranger.
  if (newer !== null && (await tx.versions.bySerial(newer.serial)) === null)
    await markOvertaken(tx, version, newer, now);
  if (!changed) return;
  if (found.every(({ status }) => status.proved)) await confirmVersion(tx, certificate, version, now);
  // What is due now, or held back before, is decided anew.
  await tx.certificates.update(name, { nextCheckAt: now });
}

function changeEvent(
  { certificate, endpoint, generation, proved, errorCode, errorMessage }: EndpointStatus,
  addresses: number,
  now: number,
): NewEvent {
  const base = { at: now, certificate, renewalId: null, target: null };
  if (proved) return { ...base, type: "verify.converged", detail: { endpoint, generation, addresses } };
  return { ...base, type: "verify.stale", detail: { endpoint, generation, code: errorCode, message: errorMessage } };
}

/** All endpoints serve it and all targets hold it: a renewal that failed for want of that proof has it now. */
async function confirmVersion(
  tx: Store,
  certificate: Certificate,
  { generation }: Version,
  now: number,
): Promise<void> {
  const { name } = certificate;
  if (
    certificate.endpoints.length === 0 ||
    behindTargets(certificate, generation, await tx.deployments.list(name)).length > 0
  )
    return;
  await tx.versions.markVerified(name, generation, now);
  const record = await tx.certificates.get(name);
  if (record?.lastErrorCode?.startsWith("verify.")) {
    await tx.certificates.update(name, {
      failures: 0,
      nextAttemptAt: null,
      lastErrorCode: null,
      lastErrorMessage: null,
    });
  }
}
