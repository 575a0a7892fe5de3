import type { Certificate, CertificateRecord } from "../../domain/certificate.ts";
import { toRenewalError } from "../../domain/errors.ts";
import type { Renewal } from "../../domain/renewal.ts";
import type { RenewalInfoRecord } from "../../domain/renewalInfo.ts";
import { NAMES_MAX, type Store } from "../../domain/store.ts";
import { DAY_MS, HOUR_MS } from "../../domain/time.ts";
import { IMPORTED, type Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { missedWarningAt, nextCheckMaxAt, waitMaxMs } from "../rules/instantBounds.ts";
import { endPutBackPause } from "./putBack.ts";
import { addMissingRecords, isRemoved, trustedRecord } from "./restoreRecords.ts";

/** The observer comes back within minutes. */
const OBSERVATION_MAX_MS = DAY_MS;
/** A CA is asked for its window once a day at least. */
const POLL_MAX_MS = DAY_MS + HOUR_MS;

type BoundContext = Pick<Context, "store" | "settings" | "log"> & {
  readonly clock: Pick<Context["clock"], "now">;
  readonly clockGuard: Pick<Context["clockGuard"], "check">;
  readonly services: Pick<Context["services"], "certificates">;
};

/**
 * The instants that make work due carry no seal, so a writer of the database could silence a certificate with one in
 * the far future. Nothing waits longer than renewd itself ever puts off: what does is due now, and the history says so.
 * A target whose row somebody else wrote makes its certificate due as well. To check too early does no harm. Returns
 * how many certificates it corrected.
 */
export async function boundInstants(context: BoundContext, signal: AbortSignal): Promise<number> {
  await context.clockGuard.check(signal);
  const { store, services } = context;
  await repairNumbers(context);
  const latestLookAt = context.clock.now() + Math.max(OBSERVATION_MAX_MS, 2 * context.settings.observeMs);
  await store.watched.bringForward(latestLookAt);
  await store.vantages.bringForward(latestLookAt);
  const added = await store.transaction((tx) => addMissingRecords(tx, services.certificates(), context.clock.now()));
  let corrected = added.length;
  for await (const [certificate, latest] of withLatest(store, services.certificates())) {
    signal.throwIfAborted();
    if (await attemptBound(context, certificate, latest)) corrected += 1;
  }
  return corrected;
}

/** Some at a time: the versions of a large fleet, with their chains, are more than a process should hold. */
async function* withLatest(
  store: Store,
  certificates: readonly Certificate[],
): AsyncGenerator<readonly [Certificate, Version | null]> {
  for (let from = 0; from < certificates.length; from += NAMES_MAX) {
    const part = certificates.slice(from, from + NAMES_MAX);
    const versions = await store.versions.listLatest(
      () => {},
      part.map(({ name }) => name),
    );
    const latest = new Map(versions.map((version) => [version.certificate, version]));
    for (const certificate of part) yield [certificate, latest.get(certificate.name) ?? null];
  }
}

/** Before anything is compared. */
async function repairNumbers({ store, clock }: BoundContext): Promise<void> {
  await store.transaction(async (tx) => {
    const fields = await tx.repairNumbers();
    if (fields.length === 0) return;
    const of = { certificate: null, renewalId: null, target: null };
    await tx.events.append({ ...of, at: clock.now(), type: "certificate.instantCorrected", detail: { fields } });
  });
}

/** One certificate that cannot be read must not protect the others' instants from being checked. */
async function attemptBound(context: BoundContext, certificate: Certificate, latest: Version | null): Promise<boolean> {
  try {
    return await boundOne(context, certificate, latest);
  } catch (thrown) {
    const err = toRenewalError(thrown);
    context.log.error({ certificate: certificate.name, err }, "instants not checked; they are in an hour");
    return false;
  }
}

async function boundOne(
  { store, clock, settings }: BoundContext,
  certificate: Certificate,
  known: Version | null,
): Promise<boolean> {
  const { name } = certificate;
  return store.transaction(async (tx) => {
    const now = clock.now();
    await tx.certificates.lock([name]);
    const stored = await tx.certificates.get(name);
    if (stored === null) return false;
    const { record, fields: fromHistory } = await trustedRecord(tx, stored, certificate);
    // Another process runs another configuration.
    if (record.digest !== certificate.digest) return false;
    if (record.removedAt !== null && (await isRemoved(tx, name))) return false;
    const info = await tx.renewalInfos.get(name);
    const latest = info?.generation === known?.generation ? known : await latestNow(tx, name);
    const waitMs = waitMaxMs(certificate, latest, settings, now);
    const active = await tx.renewals.active(name);
    const fields = [...fromHistory, ...(await endPutBackPause(tx, record, now))];
    fields.push(
      ...(active === null
        ? await boundCheck(tx, record, nextCheckMaxAt(certificate, latest, waitMs, now), now)
        : await boundRenewal(tx, active, now + waitMs, now)),
    );
    if (active === null) fields.push(...(await boundWarning(tx, record, now)));
    if (active === null) fields.push(...(await boundTargets(tx, record, now)));
    fields.push(...(await boundPoll(tx, { name, latest, info }, now)));
    fields.push(...(await boundRest(tx, record, settings, now)));
    if (fields.length === 0) return false;
    const of = { certificate: name, renewalId: active?.id ?? null, target: null };
    await tx.events.append({ at: now, type: "certificate.instantCorrected", ...of, detail: { fields } });
    return true;
  });
}

/** SQLite keeps a text in a column of numbers, and no comparison with it holds. */
function isBeyond(at: number, maxAt: number): boolean {
  return !(at <= maxAt);
}

async function boundRest(
  tx: Store,
  record: CertificateRecord,
  { observeMs, rehearseMs }: Context["settings"],
  now: number,
): Promise<string[]> {
  const { name, removedAt, nextObservationAt, nextRehearsalAt } = record;
  const observationMaxAt = now + Math.max(OBSERVATION_MAX_MS, 2 * observeMs);
  // Silently: a reload may have made the interval shorter.
  await tx.deployments.inspectBy(name, now + 2 * observeMs);
  const patch = {
    ...(removedAt !== null && { removedAt: null }),
    ...(nextObservationAt !== null && isBeyond(nextObservationAt, observationMaxAt) && { nextObservationAt: null }),
    ...(nextRehearsalAt !== null && isBeyond(nextRehearsalAt, now + 2 * rehearseMs) && { nextRehearsalAt: null }),
  };
  const fields = Object.keys(patch);
  if (fields.length > 0) await tx.certificates.update(name, patch);
  return fields;
}

/** The planner deploys again to targets that count as holding nothing. */
async function boundTargets(tx: Store, record: CertificateRecord, now: number): Promise<string[]> {
  // The planner would only put it off again, and people be notified every hour. Status shows it meanwhile.
  if (record.pausedAt !== null) return [];
  const altered = (await tx.deployments.list(record.name)).filter(({ isAltered }) => isAltered);
  if (altered.length > 0) await tx.certificates.update(record.name, { nextCheckAt: now });
  return altered.map(({ target }) => `deployment to ${target}`);
}

/** A newer one may have been issued since the part was read. null: there is none that can be read. */
async function latestNow(tx: Store, name: string): Promise<Version | null> {
  const [latest = null] = await tx.versions.listLatest(() => {}, [name]);
  return latest;
}

interface Poll {
  readonly name: string;
  readonly latest: Version | null;
  readonly info: RenewalInfoRecord | null;
}

/** A version that is valid is asked about until the next one is issued. */
async function boundPoll(tx: Store, { name, latest, info }: Poll, now: number): Promise<string[]> {
  if (latest === null || latest.leaf.notAfter <= now) return [];
  if (info?.generation !== latest.generation) await tx.renewalInfos.watch(name, latest.generation, now);
  else if (info.nextPollAt !== null && !isBeyond(info.nextPollAt, now + POLL_MAX_MS)) return [];
  else await tx.renewalInfos.update(name, latest.generation, { nextPollAt: now });
  return ["nextPollAt"];
}

async function boundCheck(tx: Store, record: CertificateRecord, maxAt: number, now: number): Promise<string[]> {
  const { name, nextCheckAt, nextAttemptAt, pausedAt } = record;
  // A pause may be as long as a person wants.
  if (pausedAt !== null) return [];
  const isBackOffBeyond = nextAttemptAt !== null && isBeyond(nextAttemptAt, maxAt);
  const isCheckBeyond = nextCheckAt === null || isBeyond(nextCheckAt, maxAt);
  if (!isBackOffBeyond && !isCheckBeyond) return [];
  if (!(await tx.certificates.moveCheck(record, now))) return [];
  if (isBackOffBeyond) await tx.certificates.update(name, { nextAttemptAt: now });
  return [...(isCheckBeyond ? ["nextCheckAt"] : []), ...(isBackOffBeyond ? ["nextAttemptAt"] : [])];
}

async function boundWarning(tx: Store, record: CertificateRecord, now: number): Promise<string[]> {
  const { name, expiryWarningAt } = record;
  const inUse = (await tx.versions.list(name)).findLast(
    ({ verifiedAt, issuer }) => verifiedAt !== null || issuer === IMPORTED,
  );
  const warningAt = inUse === undefined ? null : missedWarningAt(record, inUse, now);
  if (warningAt === null) return [];
  return (await tx.certificates.moveExpiryWarning(name, expiryWarningAt, warningAt)) ? ["expiryWarningAt"] : [];
}

/** The retries as well, or the sweep would only put the renewal off again. */
async function boundRenewal(tx: Store, renewal: Renewal, maxAt: number, now: number): Promise<string[]> {
  const { id, certificate, fence, nextActionAt, retryAt } = renewal;
  if (nextActionAt === null || !isBeyond(nextActionAt, maxAt)) return [];
  const isRetryBeyond = retryAt !== null && isBeyond(retryAt, maxAt);
  const patch = { nextActionAt: now, ...(isRetryBeyond && { retryAt: now }) };
  if (!(await tx.renewals.update(id, fence, patch))) return [];
  const fields = ["nextActionAt", ...(isRetryBeyond ? ["retryAt"] : [])];
  for (const { target, fence: own, nextAttemptAt } of await tx.deployments.list(certificate)) {
    if (nextAttemptAt === null || !isBeyond(nextAttemptAt, maxAt)) continue;
    if (await tx.deployments.update(certificate, target, own, { nextAttemptAt: now }))
      fields.push(`nextAttemptAt of ${target}`);
  }
  return fields;
}
