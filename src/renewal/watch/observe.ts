import type { Certificate } from "../../domain/certificate.ts";
import type { EndpointStatus } from "../../domain/deployment.ts";
import { endpointKey, isUnanswered } from "../../domain/endpoint.ts";
import { toRenewalError } from "../../domain/errors.ts";
import type { NewEvent } from "../../domain/event.ts";
import type { Store } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { markOvertaken } from "../plan/restoreCheck.ts";
import { withoutDeadEndpoints } from "../rules/deadNames.ts";
import { isProved, MIXED_LOOK_MS, noEvidence } from "../rules/proof.ts";
import { behindTargets } from "../rules/reasons.ts";
import { overtaking } from "../rules/restored.ts";
import { isWatchedOnly } from "../rules/served.ts";
import { endpointsOf } from "../rules/vantages.ts";
import { type Approach, type EndpointRound, examineEndpoints, provedDetail } from "../steps/examineEndpoint.ts";
import { observeServed, observeWithin } from "./observeServed.ts";
import { recordDifferences } from "./recordDifferences.ts";
import { recordServedOf } from "./recordServed.ts";

/** Groups of connections that may fail in one look: a server may be restarting. */
const BAD_GROUPS_MAX = 3;
const PAUSE = { firstMs: 2_000, maxMs: 2_000 } as const;
/** Connections of one look at a proved address where more is due than one process observes at once. */
const BUSY_CONNECTIONS = 3;
/** Connections that show whether a proved address now serves another certificate always or sometimes. */
const REOPENED_CONNECTIONS = 10;
/** Verifiers that started together must not stay in step. */
const JITTER = 0.1;
/** Certificates that one process observes at once. */
const AT_ONCE = 16;

/**
 * Connects to the endpoints of certificates that have no active renewal, so that what people see stays true: somebody
 * replaced a file, a node was rebuilt, an imported pair is in place. A certificate that an endpoint no longer serves
 * becomes due for `drift`. An endpoint that failed is proved again only by the rule that the verifier uses. Returns how
 * many certificates were observed.
 */
export async function observeDue(context: Context, signal: AbortSignal): Promise<number> {
  let observed = 0;
  let more = true;
  while (more && !signal.aborted) {
    const taken = await observeSome(context, signal);
    observed += taken;
    more = taken === AT_ONCE;
  }
  return observed;
}

async function observeSome(context: Context, signal: AbortSignal): Promise<number> {
  const { store, clock, settings, log } = context;
  // With a wrong clock a good certificate looks expired.
  await context.clockGuard.check(signal);
  const spread = 1 + JITTER * (2 * Math.random() - 1);
  const terms = { now: clock.now(), nextAt: clock.now() + settings.observeMs * spread, limit: AT_ONCE };
  const { vantage } = context;
  const names =
    vantage === undefined
      ? await store.certificates.claimObservations(terms)
      : await store.vantages.claimLooks(vantage, terms);
  const { lookConnections } = settings;
  const connections = names.length < AT_ONCE ? lookConnections : Math.min(BUSY_CONNECTIONS, lookConnections);
  await Promise.all(
    names.map(async (name) => {
      try {
        await observeOne(context, name, connections, signal);
      } catch (thrown) {
        // One failure must not stop the others. The next look comes by itself.
        if (!signal.aborted) log.warn({ certificate: name, err: toRenewalError(thrown) }, "endpoints not observed");
      }
    }),
  );
  return names.length;
}

async function observeOne(context: Context, name: string, connections: number, signal: AbortSignal): Promise<void> {
  const { store, services } = context;
  const configured = services.certificate(name);
  const version = await store.versions.latest(name);
  if (configured !== null && isWatchedOnly(configured, version)) {
    const settled = Math.max(connections, context.settings.proof.connections);
    const asking = { usual: connections, changed: settled, settled };
    return observeServed(context, configured, asking, signal);
  }
  const certificate = configured && withoutDeadEndpoints(configured, version);
  // An active renewal verifies the pair that it has just deployed, and that says more.
  if (certificate === null || version === null || (await store.renewals.active(name)) !== null) return;
  const endpoints = endpointsOf(certificate.endpoints, context.vantage);
  if (endpoints.length === 0) return;
  const found = await examineEndpoints(
    context,
    { certificate, version, endpoints },
    lookAt(version, connections),
    signal,
  );
  await store.transaction(async (tx) => {
    await recordObservations(tx, certificate, version, found, context.clock.now());
    await recordServedOf(tx, context.judge, endpoints, found);
  });
  if (found.every(({ status }) => status.proved)) await store.replacements.wakeNextWave(name, context.clock.now());
}

/** By these looks and, of other vantages, by what they last recorded. */
function allProved(
  { endpoints }: Certificate,
  { generation }: Version,
  found: readonly EndpointRound[],
  before: ReadonlyMap<string, EndpointStatus>,
): boolean {
  const now = new Map([...before, ...found.map(({ status }) => [status.endpoint, status] as const)]);
  return endpoints.every((endpoint) => {
    const status = now.get(endpointKey(endpoint));
    return status?.generation === generation && status.proved;
  });
}

/**
 * One look: so many connections if the address is proved, which are added to the evidence, else as many as proof takes.
 */
export function lookAt({ generation }: Version, connections: number): Approach {
  return (known, terms) => {
    const evidence = known?.generation === generation ? known : noEvidence(generation);
    const wasProved = isProved(evidence, terms);
    return {
      evidence,
      connectionsMin: Math.min(connections, terms.connections),
      pause: PAUSE,
      // A wrong certificate reopens the case, and the history says so, even if a new row has already begun.
      mayProve: ({ wrong }) => !wasProved || wrong === 0,
      stop: ({ badGroups, wrong, answered }) =>
        badGroups >= BAD_GROUPS_MAX || (wasProved && wrong > 0 && answered >= REOPENED_CONNECTIONS),
    };
  };
}

/** The history gets changes only. The observations themselves are replaced each time. */
async function recordObservations(
  tx: Store,
  certificate: Certificate,
  version: Version,
  found: readonly EndpointRound[],
  now: number,
): Promise<void> {
  const { name } = certificate;
  await tx.certificates.lock([name]);
  const latest = await tx.versions.latest(name);
  if (latest?.generation !== version.generation || (await tx.renewals.active(name)) !== null) return;
  const before = new Map((await tx.observations.statuses(name)).map((status) => [status.endpoint, status]));
  let changed = false;
  for (const { status, observations, evidence } of found) {
    await tx.observations.record(status, observations, evidence);
    const known = before.get(status.endpoint);
    if (
      known?.generation === status.generation &&
      known.proved === status.proved &&
      known.errorCode === status.errorCode
    )
      continue;
    changed = true;
    await tx.events.append(changeEvent(status, { ...provedDetail(observations, evidence) }, now));
  }
  const known = new Set((await tx.versions.list(name)).map(({ leaf }) => leaf.fingerprint));
  const seen = found.flatMap(({ status, observations }) =>
    observations.map((each) => ({ ...each, endpoint: status.endpoint })),
  );
  const newer = overtaking(seen, version, known);
  // It may be another certificate of renewd for the same names, for example with another key type.
  if (newer !== null && (await tx.versions.bySerial(newer.serial)) === null)
    await markOvertaken(tx, version, newer, now);
  if (found.some(({ status }) => status.errorCode === "verify.mixed"))
    await observeWithin(tx, name, now + MIXED_LOOK_MS);
  // A server that cannot start may have files that do not match.
  if (found.some(({ status }) => isUnanswered(status.errorCode))) await tx.deployments.inspectBy(name, now);
  if (!changed) return;
  await recordDifferences(
    tx,
    { endpoints: certificate.endpoints, certificate: name, renewalId: null, rounds: found },
    now,
  );
  if (allProved(certificate, version, found, before)) await confirmVersion(tx, certificate, version, now);
  // The planner decides again: something may be due now, or no longer blocked.
  await tx.certificates.update(name, { nextCheckAt: now });
}

function changeEvent(
  { certificate, endpoint, generation, proved, errorCode, errorMessage }: EndpointStatus,
  proof: NewEvent["detail"],
  now: number,
): NewEvent {
  const base = { at: now, certificate, renewalId: null, target: null };
  if (proved)
    return {
      ...base,
      type: "verify.converged",
      detail: { endpoint, generation, ...proof },
    };
  return { ...base, type: "verify.stale", detail: { endpoint, generation, code: errorCode, message: errorMessage } };
}

/** All endpoints are proved and all targets hold the version: what a failed verification left open is done now. */
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
