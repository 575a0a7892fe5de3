import type { Certificate, CertificateRecord } from "../../domain/certificate.ts";
import { toRenewalError } from "../../domain/errors.ts";
import { ACTIVE_STATES, type Renewal } from "../../domain/renewal.ts";
import type { RenewalInfoRecord } from "../../domain/renewalInfo.ts";
import { NAMES_MAX, type Store } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import {
  checksBeyond,
  inspectionMaxAt,
  isAtRestWithinBounds,
  isBeyond,
  isInUse,
  isPollRight,
  looksBeyond,
  missedWarningAt,
  nextCheckMaxAt,
  observationMaxAt,
  waitMaxMs,
} from "../rules/instantBounds.ts";
import { endPutBackPause } from "./putBack.ts";
import { addMissingRecords, isRemoved, trustedRecord } from "./restoreRecords.ts";

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
  const latestLookAt = observationMaxAt(context.settings, context.clock.now());
  await store.watched.bringForward(latestLookAt);
  await store.vantages.bringForward(latestLookAt);
  const added = await store.transaction((tx) => addMissingRecords(tx, services.certificates(), context.clock.now()));
  let corrected = added.length;
  for await (const certificate of suspects(context)) {
    signal.throwIfAborted();
    if (await attemptBound(context, certificate)) corrected += 1;
  }
  return corrected;
}

/**
 * Those that are not at rest within all bounds. A part of a large fleet at a time is read without a lock: what is found
 * is looked at again under one, so that nothing counts that has only changed in between.
 */
async function* suspects({ store, services, settings, clock }: BoundContext): AsyncGenerator<Certificate> {
  const certificates = services.certificates();
  for (let from = 0; from < certificates.length; from += NAMES_MAX) {
    const part = certificates.slice(from, from + NAMES_MAX);
    const names = part.map(({ name }) => name);
    const now = clock.now();
    const records = new Map((await store.certificates.list(names)).map((record) => [record.name, record]));
    const doubtful = new Set<string>();
    const versions = await store.versions.listLatest(({ certificate }) => doubtful.add(certificate), names);
    const latest = new Map(versions.map((version) => [version.certificate, version]));
    const infos = new Map((await store.renewalInfos.list(names)).map((info) => [info.certificate, info]));
    const running = await store.renewals.list({ states: ACTIVE_STATES, limit: names.length, certificates: names });
    for (const { certificate } of running) doubtful.add(certificate);
    for (const { certificate, isAltered } of await store.deployments.listAll(names))
      if (isAltered) doubtful.add(certificate);
    for (const name of await store.deployments.inspectedAfter(names, inspectionMaxAt(settings, now)))
      doubtful.add(name);
    for (const certificate of part) {
      const { name } = certificate;
      const record = records.get(name);
      if (record === undefined) continue;
      const facts = { certificate, record, latest: latest.get(name) ?? null, info: infos.get(name) ?? null };
      if (doubtful.has(name) || !isAtRestWithinBounds(facts, settings, now)) yield certificate;
    }
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
async function attemptBound(context: BoundContext, certificate: Certificate): Promise<boolean> {
  try {
    return await boundOne(context, certificate);
  } catch (thrown) {
    const err = toRenewalError(thrown);
    context.log.error({ certificate: certificate.name, err }, "instants not checked; they are in an hour");
    return false;
  }
}

async function boundOne({ store, clock, settings }: BoundContext, certificate: Certificate): Promise<boolean> {
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
    const [latest = null] = await tx.versions.listLatest(() => {}, [name]);
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

async function boundRest(
  tx: Store,
  record: CertificateRecord,
  settings: Context["settings"],
  now: number,
): Promise<string[]> {
  const { name, removedAt } = record;
  // Silently: a reload may have made the interval shorter.
  await tx.deployments.inspectBy(name, inspectionMaxAt(settings, now));
  const beyond = looksBeyond(record, settings, now).map((field) => [field, null] as const);
  const patch = { ...(removedAt !== null && { removedAt: null }), ...Object.fromEntries(beyond) };
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

interface Poll {
  readonly name: string;
  readonly latest: Version | null;
  readonly info: RenewalInfoRecord | null;
}

async function boundPoll(tx: Store, { name, latest, info }: Poll, now: number): Promise<string[]> {
  if (latest === null || isPollRight(latest, info, now)) return [];
  if (info?.generation !== latest.generation) await tx.renewalInfos.watch(name, latest.generation, now);
  else await tx.renewalInfos.update(name, latest.generation, { nextPollAt: now });
  return ["nextPollAt"];
}

async function boundCheck(
  tx: Store,
  record: CertificateRecord,
  maxAt: number,
  now: number,
): Promise<readonly string[]> {
  const beyond = checksBeyond(record, maxAt);
  if (beyond.length === 0 || !(await tx.certificates.moveCheck(record, now))) return [];
  if (beyond.includes("nextAttemptAt")) await tx.certificates.update(record.name, { nextAttemptAt: now });
  return beyond;
}

async function boundWarning(tx: Store, record: CertificateRecord, now: number): Promise<string[]> {
  const { name, expiryWarningAt } = record;
  const inUse = (await tx.versions.list(name)).findLast(isInUse);
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
