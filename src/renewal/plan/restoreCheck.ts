import type { Certificate } from "../../domain/certificate.ts";
import { type Endpoint, endpointKey, type Observation } from "../../domain/endpoint.ts";
import { latestVersions } from "../../domain/latestVersions.ts";
import { ACTIVE_STATES } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import { MINUTE_MS } from "../../domain/time.ts";
import type { Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { renewalEvent } from "../history.ts";
import { isNewer, isUnconfirmed, type Live, type NewerLive, type RestoredFacts } from "../rules/restored.ts";

/** Connections to one address at the same time. */
const PARALLEL_MAX = 4;
/**
 * A target may already hold a generation that was issued after the backup, and then refuses all generations up to it.
 * One per minute is more than any certificate is renewed, so a second restore of the same backup is above the first one
 * too.
 */
const FLOOR_RAISE = 1_000;

/**
 * In the transaction that restores: nobody acts on the old state before the endpoints were dialled. Returns how many
 * renewals it ended.
 */
export async function markRestored(tx: Store, backupMadeAt: number, now: number): Promise<number> {
  const records = await tx.certificates.list();
  const latest = new Map<string, number>();
  const add = ({ certificate, generation }: Pick<Version, "certificate" | "generation">): void => {
    latest.set(certificate, generation);
  };
  for await (const version of latestVersions(tx, add)) add(version);
  const running = await tx.renewals.list({ states: ACTIVE_STATES, limit: Math.max(1, records.length) });
  for (const renewal of running) {
    // Since the backup its order may have been finished, its pair deployed, and another renewal run.
    const ended = { state: "cancelled", finishedAt: now, nextActionAt: null, leaseUntil: null } as const;
    await tx.renewals.saveOrderState(renewal.id, renewal.fence, { privateKey: null, orderUrl: null, csr: null });
    await tx.renewals.update(renewal.id, renewal.fence, ended);
    await tx.events.append(renewalEvent(renewal, now, "renewal.cancelled", { why: "restored from a backup" }));
  }
  const raise = FLOOR_RAISE + Math.max(0, Math.ceil((now - backupMadeAt) / MINUTE_MS));
  for (const { name, generationFloor, removedAt } of records) {
    const floor = Math.max(generationFloor, latest.get(name) ?? 0) + raise;
    await tx.certificates.update(name, {
      restoredAt: now,
      generationFloor: floor,
      nextCheckAt: removedAt === null ? now : null,
    });
  }
  const detail = { backupMadeAt, certificates: records.length, cancelledRenewals: running.length };
  await tx.events.append({ at: now, type: "store.restored", certificate: null, renewalId: null, target: null, detail });
  return running.length;
}

/**
 * An endpoint serves a newer certificate of the same CA that the database does not know: an older state of the database
 * was put back without `renewd restore`, such as a machine's snapshot. From now on the certificate counts as restored.
 */
export async function markOvertaken(tx: Store, version: Version, live: NewerLive, now: number): Promise<void> {
  const { certificate: name, generation, createdAt } = version;
  const record = await tx.certificates.get(name);
  if (record === null || record.restoredAt !== null) return;
  const raise = FLOOR_RAISE + Math.max(0, Math.ceil((now - createdAt) / MINUTE_MS));
  await tx.certificates.update(name, {
    restoredAt: now,
    generationFloor: Math.max(record.generationFloor, generation) + raise,
    nextCheckAt: now,
  });
  const detail = { ...live, generation };
  await tx.events.append({
    at: now,
    type: "certificate.overtaken",
    certificate: name,
    renewalId: null,
    target: null,
    detail,
  });
}

/**
 * Dials the endpoints of a restored certificate. Once any answers with nothing newer, the restored state is trusted
 * again.
 */
export async function probeAfterRestore<Facts extends RestoredFacts>(
  context: Context,
  facts: Facts,
  signal: AbortSignal,
): Promise<Facts> {
  const { record, version, certificate } = facts;
  if (record.restoredAt === null || version === null) return facts;
  if (!isUnconfirmed(facts))
    return confirmRestored(context, facts, `generation ${version.generation} was issued after it`);
  if (certificate.endpoints.length === 0) return facts;
  const live = await probeEndpoints(context, certificate, version, signal);
  const seen = { ...facts, live };
  if (live.answered === 0 || live.newer !== null) return seen;
  return confirmRestored(
    context,
    seen,
    `${live.answered} address${live.answered === 1 ? "" : "es"} answered, ` +
      `nothing newer than generation ${version.generation} is live`,
  );
}

async function confirmRestored<Facts extends RestoredFacts>(
  { store, clock }: Context,
  facts: Facts,
  why: string,
): Promise<Facts> {
  const { name } = facts.record;
  await store.transaction(async (tx) => {
    await tx.certificates.update(name, { restoredAt: null });
    await tx.events.append({
      at: clock.now(),
      type: "certificate.restoreConfirmed",
      certificate: name,
      renewalId: null,
      target: null,
      detail: { why },
    });
  });
  return { ...facts, record: { ...facts.record, restoredAt: null } };
}

async function probeEndpoints(
  context: Context,
  certificate: Certificate,
  version: Version,
  signal: AbortSignal,
): Promise<Live> {
  const known = new Set((await context.store.versions.list(certificate.name)).map(({ leaf }) => leaf.fingerprint));
  const isNewerLive = (observation: Observation): boolean => isNewer(observation, version, known);
  const seen = (
    await Promise.all(
      certificate.endpoints.map((endpoint) => probeEndpoint(context, { endpoint, version, isNewerLive }, signal)),
    )
  ).flat();
  const newer = seen.find(({ observation }) => isNewerLive(observation));
  return {
    answered: seen.filter(({ observation }) => observation.served !== null).length,
    newer:
      newer === undefined
        ? null
        : {
            endpoint: endpointKey(newer.endpoint),
            address: newer.observation.address,
            serial: newer.observation.served?.serial ?? "",
          },
  };
}

interface RestoreProbe {
  readonly endpoint: Endpoint;
  readonly address: string;
  readonly version: Version;
  readonly isNewerLive: (observation: Observation) => boolean;
}

/** As many connections as proof takes: of several servers at one address only some may serve something newer. */
async function probeAddress(
  { probe, settings }: Context,
  { endpoint, address, version, isNewerLive }: RestoreProbe,
  signal: AbortSignal,
): Promise<Observation> {
  let observation = await probe.observe(endpoint, address, version, signal);
  let left = settings.proof.connections - 1;
  while (left > 0 && observation.served !== null && !isNewerLive(observation)) {
    const size = Math.min(PARALLEL_MAX, left);
    left -= size;
    const group = await Promise.all(
      Array.from({ length: size }, () => probe.observe(endpoint, address, version, signal)),
    );
    observation = group.find(isNewerLive) ?? observation;
  }
  return observation;
}

async function probeEndpoint(
  context: Context,
  { endpoint, ...aim }: Omit<RestoreProbe, "address">,
  signal: AbortSignal,
): Promise<{ endpoint: Endpoint; observation: Observation }[]> {
  const addresses = await context.probe.addresses(endpoint, signal).catch(() => {
    // A name that does not resolve does not answer either.
    signal.throwIfAborted();
    return [];
  });
  // With the version given, a server that holds both key types is asked for this version's type.
  return Promise.all(
    addresses.map(async (address) => ({
      endpoint,
      observation: await probeAddress(context, { endpoint, address, ...aim }, signal),
    })),
  );
}
