import type { Certificate, CertificateRecord } from "../../domain/certificate.ts";
import { type Endpoint, endpointKey, type Observation } from "../../domain/endpoint.ts";
import { ACTIVE_STATES, type Reason } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { renewalEvent } from "../history.ts";
import type { ReasonFacts, ReasonFound } from "../rules/reasons.ts";

/** Between two looks at endpoints that do not answer. */
export const RESTORED_RETRY_MS = 60_000;
/**
 * A generation number given after the backup was made may be at a target already, which then refuses it and all below. One
 * a minute is more than any certificate is renewed, so a later restore of the same backup clears an earlier one's as well.
 */
const FLOOR_RAISE = 1_000;
const MINUTE_MS = 60_000;

export interface NewerLive {
  readonly endpoint: string;
  readonly address: string;
  readonly serial: string;
}

/** What the endpoints of a certificate were seen to serve after a restore. */
export interface Live {
  /** Addresses that completed a handshake. */
  readonly answered: number;
  /** The first that serves something issued later than all the database knows; null: none. */
  readonly newer: NewerLive | null;
}

export interface RestoredFacts extends ReasonFacts {
  readonly record: CertificateRecord;
  /** Only after a restore; absent: nobody has looked yet. */
  readonly live?: Live | null;
}

/** Part of the transaction that restores: nothing of the old state is acted upon before the endpoints were seen. Returns how many renewals it ended. */
export async function markRestored(tx: Store, backupMadeAt: number, now: number): Promise<number> {
  const records = await tx.certificates.list();
  const latest = new Map((await tx.versions.listLatest()).map(({ certificate, generation }) => [certificate, generation]));
  const running = await tx.renewals.list({ states: ACTIVE_STATES, limit: Math.max(1, records.length) });
  for (const renewal of running) {
    // Its order may have been finished, its pair deployed, and another renewal run since.
    const ended = { state: "cancelled", finishedAt: now, nextActionAt: null, leaseUntil: null } as const;
    await tx.renewals.saveOrderState(renewal.id, renewal.fence, { privateKey: null, orderUrl: null, csr: null });
    await tx.renewals.update(renewal.id, renewal.fence, ended);
    await tx.events.append(renewalEvent(renewal, now, "renewal.cancelled", { why: "restored from a backup" }));
  }
  const raise = FLOOR_RAISE + Math.max(0, Math.ceil((now - backupMadeAt) / MINUTE_MS));
  for (const { name, generationFloor, removedAt } of records) {
    const floor = Math.max(generationFloor, latest.get(name) ?? 0) + raise;
    await tx.certificates.update(name, { restoredAt: now, generationFloor: floor, nextCheckAt: removedAt === null ? now : null });
  }
  const detail = { backupMadeAt, certificates: records.length, cancelledRenewals: running.length };
  await tx.events.append({ at: now, type: "store.restored", certificate: null, renewalId: null, target: null, detail });
  return running.length;
}

/**
 * An endpoint serves what the CA that issued the latest version has issued later, and the database has never heard of: an older
 * state of it was put back without `renewd restore`, such as a machine's snapshot. From now on it counts as restored.
 */
export async function markOvertaken(tx: Store, version: Version, live: NewerLive, now: number): Promise<void> {
  const { certificate: name, generation, createdAt } = version;
  const record = await tx.certificates.get(name);
  if (record === null || record.restoredAt !== null) return;
  const raise = FLOOR_RAISE + Math.max(0, Math.ceil((now - createdAt) / MINUTE_MS));
  await tx.certificates.update(name, { restoredAt: now, generationFloor: Math.max(record.generationFloor, generation) + raise, nextCheckAt: now });
  const detail = { ...live, generation };
  await tx.events.append({ at: now, type: "certificate.overtaken", certificate: name, renewalId: null, target: null, detail });
}

/** The first of these observations that shows so; null: none. `known`: fingerprints of all versions. */
export function overtaking(
  observations: readonly (Observation & { readonly endpoint: string })[],
  version: Version,
  known: ReadonlySet<string>,
): NewerLive | null {
  const found = observations.find((each) => isNewer(each, version, known) && each.served?.issuer === version.leaf.issuerName);
  return found === undefined ? null : { endpoint: found.endpoint, address: found.address, serial: found.served?.serial ?? "" };
}

/** True while the latest version the database knows may be older than what is live: it must not be deployed anywhere. */
export function isUnconfirmed({ record, version }: Pick<RestoredFacts, "record" | "version">): boolean {
  return record.restoredAt !== null && version !== null && version.generation <= record.generationFloor;
}

/** Replaces the reason found by one that brings a new version, where mending with the old one could go back in time. */
export function reasonAfterRestore(facts: RestoredFacts, found: ReasonFound | null): ReasonFound | null {
  if (!isUnconfirmed(facts)) return found;
  const newer = facts.live?.newer ?? null;
  if (newer !== null) {
    const { endpoint, address, serial } = newer;
    return { reason: "restored", detail: `endpoint ${endpoint} at ${address} serves a newer certificate (serial ${serial}) than the restored database knows` };
  }
  if (found?.reason === "drift" && facts.certificate.endpoints.length === 0) {
    return { reason: "restored", detail: `${found.detail}; restored from a backup, and no endpoint tells whether the targets hold something newer` };
  }
  return found;
}

/** Why a restored certificate waits, or null: it need not. What is missing or about to expire does not wait for anybody. */
export function heldAfterRestore(facts: RestoredFacts, reason: Reason | null): string | null {
  const answered = facts.live?.answered ?? 0;
  if (!isUnconfirmed(facts) || answered > 0 || facts.certificate.endpoints.length === 0) return null;
  if (reason === "missing" || reason === "emergency" || reason === "restored") return null;
  return "restored from a backup: nothing is deployed or issued until one of its endpoints has shown what is live";
}

/** Looks at the endpoints of a restored certificate; once any has answered with nothing newer, the restored state is trusted again. */
export async function lookAfterRestore<Facts extends RestoredFacts>(context: Context, facts: Facts, signal: AbortSignal): Promise<Facts> {
  const { record, version, certificate } = facts;
  if (record.restoredAt === null || version === null) return facts;
  if (!isUnconfirmed(facts)) return confirm(context, facts, `generation ${version.generation} was made after it`);
  if (certificate.endpoints.length === 0) return facts;
  const live = await look(context, certificate, version, signal);
  const seen = { ...facts, live };
  if (live.answered === 0 || live.newer !== null) return seen;
  return confirm(
    context,
    seen,
    `${live.answered} address${live.answered === 1 ? "" : "es"} answered, nothing newer than generation ${version.generation} is live`,
  );
}

async function confirm<Facts extends RestoredFacts>({ store, clock }: Context, facts: Facts, why: string): Promise<Facts> {
  const { name } = facts.record;
  await store.transaction(async (tx) => {
    await tx.certificates.update(name, { restoredAt: null });
    await tx.events.append({ at: clock.now(), type: "certificate.restoreConfirmed", certificate: name, renewalId: null, target: null, detail: { why } });
  });
  return { ...facts, record: { ...facts.record, restoredAt: null } };
}

async function look(context: Context, certificate: Certificate, version: Version, signal: AbortSignal): Promise<Live> {
  const known = new Set((await context.store.versions.list(certificate.name)).map(({ leaf }) => leaf.fingerprint));
  const seen = (await Promise.all(certificate.endpoints.map((endpoint) => observe(context, endpoint, version, signal)))).flat();
  const newer = seen.find(({ observation }) => isNewer(observation, version, known));
  return {
    answered: seen.filter(({ observation }) => observation.served !== null).length,
    newer:
      newer === undefined
        ? null
        : { endpoint: endpointKey(newer.endpoint), address: newer.observation.address, serial: newer.observation.served?.serial ?? "" },
  };
}

async function observe(
  { probe }: Context,
  endpoint: Endpoint,
  version: Version,
  signal: AbortSignal,
): Promise<{ endpoint: Endpoint; observation: Observation }[]> {
  const addresses = await probe.addresses(endpoint, signal).catch(() => {
    // A name that does not resolve does not answer either.
    signal.throwIfAborted();
    return [];
  });
  // With the version expected, a server that holds both key types is asked for ours.
  return Promise.all(addresses.map(async (address) => ({ endpoint, observation: await probe.observe(endpoint, address, version, signal) })));
}

/** Another name's certificate says nothing about ours. Of two from the same second neither is known to be older: better one too many issued. */
function isNewer({ served, problem }: Observation, { leaf }: Version, known: ReadonlySet<string>): boolean {
  if (served === null || known.has(served.fingerprint) || problem?.code === "verify.wrongCertificate") return false;
  return !(served.notBefore < leaf.notBefore);
}
