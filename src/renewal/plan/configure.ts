import { setTimeout as delay } from "node:timers/promises";
import type { Certificate } from "../../domain/certificate.ts";
import type { Deployment } from "../../domain/deployment.ts";
import type { EventDetail } from "../../domain/event.ts";
import { type CertificateChanges, NAMES_MAX, type Store, SYNC_MAX } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";
import type { ConfiguredServices, Context } from "../context.ts";
import { REHEARSAL_OFF } from "../rules/settings.ts";
import { attemptReconcile } from "../steps/sweep.ts";
import { REHEARSAL_CLAIM_MS } from "../watch/rehearseDue.ts";
import { followIssuerNames } from "./issuerNames.ts";
import { recordLeftTargets } from "./leftTargets.ts";
import { findRenames, followRenames } from "./renames.ts";

/** Of an interval with its jitter. */
const LATEST = 1.5;
/** Another process that waits for SQLite asks again within 10 ms (sqliteConnection.ts): it mostly meets one of the pauses. */
const BETWEEN_PARTS_MS = 5;

/**
 * Makes the database's records match the configuration, with an event for every difference. Planners run it at start
 * and reload. Throws `clock.skewed` before anything is written: a new certificate is due now, and a clock 40 days ahead
 * would hide it for 40 days. Of a large fleet some at a time, so that others get to the database: a process that ends
 * between loses nothing, as the next one finds what still differs.
 */
export async function configure(context: Context, signal: AbortSignal): Promise<void> {
  const { store, services, clock, log } = context;
  await context.clockGuard.check(signal);
  const now = clock.now();
  // First: what is due now must not be decided by the old names.
  await followIssuerNames(context);
  const difference = await store.certificates.changes(services.certificates());
  const renames = await findRenames(store, difference.added, services.certificates(), now);
  const { added, changed, removed } = await inParts(difference, signal, (names) =>
    store.transaction((tx) => apply(tx, services, { names, renames, now })),
  );
  await store.transaction(async (tx) => {
    await tx.cursors.retain([...services.channels().keys()]);
    await recordLeftTargets(tx, services, now);
    await tx.watched.configure(services.watched?.() ?? [], now);
  });
  await watchObserved(store, services.certificates(), now);
  await store.transaction((tx) => adoptDefinitions(tx, services.certificates()));
  // Active renewals are decided again: a fixed target need not wait for the end of its back-off.
  for (const certificate of [...changed, ...removed]) {
    const active = await store.renewals.active(certificate);
    if (active !== null) await attemptReconcile(context, active);
  }
  // Waves of a replacement no longer wait for a removed certificate.
  for (const certificate of removed) await store.replacements.wakeNextWave(certificate, now);
  const { observeMs, rehearseMs } = context.settings;
  await store.certificates.bringForward({
    observationBy: Math.floor(now + LATEST * observeMs),
    rehearsalBy:
      rehearseMs === REHEARSAL_OFF ? null : Math.floor(now + Math.max(LATEST * rehearseMs, REHEARSAL_CLAIM_MS)),
  });
  log.info({ added: added.length, changed: changed.length, removed: removed.length }, "configuration applied");
}

/** What became of all parts together. */
async function inParts(
  { added, changed, removed }: CertificateChanges,
  signal: AbortSignal,
  applyPart: (names: readonly string[]) => Promise<CertificateChanges>,
): Promise<CertificateChanges> {
  const names = [...added, ...changed, ...removed];
  const parts: CertificateChanges[] = [];
  for (let from = 0; from < names.length; from += SYNC_MAX) {
    signal.throwIfAborted();
    if (from > 0) await delay(BETWEEN_PARTS_MS);
    parts.push(await applyPart(names.slice(from, from + SYNC_MAX)));
  }
  const all = (kind: keyof CertificateChanges): string[] => parts.flatMap((part) => part[kind]);
  return { added: all("added"), changed: all("changed"), removed: all("removed") };
}

interface Part {
  readonly names: readonly string[];
  readonly renames: ReadonlyMap<string, Version>;
  readonly now: number;
}

async function apply(
  tx: Store,
  services: ConfiguredServices,
  { names, renames, now }: Part,
): Promise<CertificateChanges> {
  const configured = names.flatMap((name) => services.certificate(name) ?? []);
  const found = await tx.certificates.sync(configured, now, names);
  const base = { at: now, renewalId: null, target: null };
  const named = (wanted: readonly string[]): Certificate[] => {
    const all = new Set(wanted);
    return configured.filter(({ name }) => all.has(name));
  };
  const append = (change: "added" | "changed", { name, digest, targets }: Certificate): Promise<void> =>
    tx.events.append({
      ...base,
      type: "certificate.configured",
      certificate: name,
      detail: { change, digest, targets },
    });
  for (const certificate of named(found.added)) await append("added", certificate);
  for (const certificate of named(found.changed)) {
    await append("changed", certificate);
    await forgetUnknown(tx, certificate.name);
  }
  await followRenames(tx, named(found.added), renames, now);
  await warnOfDistrust(tx, named([...found.added, ...found.changed]), now);
  for (const certificate of found.removed) {
    const detail = await whyRemoved(tx, services, certificate);
    await tx.events.append({ ...base, type: "certificate.removed", certificate, detail });
  }
  return found;
}

/** Others are dialled from their first deployment on; of these renewd makes none. */
async function watchObserved(store: Store, certificates: readonly Certificate[], now: number): Promise<void> {
  const observed = certificates.filter(({ mode }) => mode === "observe").map(({ name }) => name);
  for (let from = 0; from < observed.length; from += NAMES_MAX) {
    const names = observed.slice(from, from + NAMES_MAX);
    const never = (await store.certificates.list(names)).filter(({ nextObservationAt }) => nextObservationAt === null);
    if (never.length === 0) continue;
    await store.transaction(async (tx) => {
      for (const { name } of never) await tx.certificates.update(name, { nextObservationAt: now });
    });
  }
}

/** Who edited the file nobody can know; which file it was, and when, leads to who. */
async function whyRemoved(tx: Store, { configuredBy }: ConfiguredServices, certificate: string): Promise<EventDetail> {
  const by = configuredBy?.();
  if (by === undefined) return {};
  const removal = await tx.definitions.removal(certificate);
  if (removal !== null && removal.changedAt >= (by.changedAt ?? 0)) {
    const who = removal.changedBy === null ? "" : ` by ${removal.changedBy}`;
    return { why: `removed from the database${who}, ${new Date(removal.changedAt).toISOString()}` };
  }
  const changed = by.changedAt === null ? "" : `, changed ${new Date(by.changedAt).toISOString()}`;
  return { why: `no longer in ${by.file}${changed}` };
}

/** What was added or changed and has nobody to be ordered from. Distrusting an issuer changes its certificates. */
async function warnOfDistrust(tx: Store, certificates: readonly Certificate[], at: number): Promise<void> {
  for (const { name, allDistrusted, issuer, fallbacks } of certificates) {
    if (!allDistrusted) continue;
    const of = { certificate: name, renewalId: null, target: null };
    const detail = { issuers: [issuer, ...fallbacks] };
    await tx.events.append({ at, type: "certificate.noIssuer", ...of, detail });
  }
}

/**
 * Deployments of a release that recorded no definition of their target: which of them changed is not known, so the pair
 * is deployed again. For the others `targetChanged` finds the targets whose definition changed.
 */
async function forgetUnknown(tx: Store, certificate: string): Promise<void> {
  for (const { target, targetDigest, deployedGeneration } of await tx.deployments.list(certificate))
    if (targetDigest === null && deployedGeneration > 0) await tx.deployments.forget(certificate, target);
}

/** Nothing changed for the other deployments of such a release: they have the definition of now. */
async function adoptDefinitions(tx: Store, certificates: readonly Certificate[]): Promise<void> {
  const byName = new Map(certificates.map((certificate) => [certificate.name, certificate]));
  const undefinedYet = ({ targetDigest, deployedGeneration }: Deployment): boolean =>
    targetDigest === null && deployedGeneration > 0;
  const names = (await tx.deployments.withoutDefinition()).filter(undefinedYet).map(({ certificate }) => certificate);
  if (names.length === 0) return;
  await tx.certificates.lock(names);
  for (const row of (await tx.deployments.withoutDefinition()).filter(undefinedYet)) {
    const { certificate, target, fence } = row;
    const current = byName.get(certificate)?.targetDigests[target];
    if (current !== undefined) await tx.deployments.update(certificate, target, fence, { targetDigest: current });
  }
}
