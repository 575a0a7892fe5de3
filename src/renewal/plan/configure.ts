import type { Certificate } from "../../domain/certificate.ts";
import type { Deployment } from "../../domain/deployment.ts";
import type { EventDetail, NewEvent } from "../../domain/event.ts";
import type { Store } from "../../domain/store.ts";
import type { ConfiguredServices, Context } from "../context.ts";
import { REHEARSAL_OFF } from "../rules/settings.ts";
import { attemptReconcile } from "../steps/sweep.ts";
import { REHEARSAL_CLAIM_MS } from "../watch/rehearseDue.ts";
import { followIssuerNames } from "./issuerNames.ts";
import { recordLeftTargets } from "./leftTargets.ts";
import { followRenames } from "./renames.ts";

/** Of an interval with its jitter. */
const LATEST = 1.5;

/**
 * Makes the database's records match the configuration, with an event for every difference. Planners run it at start
 * and reload. Throws `clock.skewed` before anything is written: a new certificate is due now, and a clock 40 days ahead
 * would hide it for 40 days.
 */
export async function configure(context: Context, signal: AbortSignal): Promise<void> {
  const { store, services, clock, log } = context;
  await context.clockGuard.check(signal);
  const now = clock.now();
  // First: what is due now must not be decided by the old names.
  await followIssuerNames(context);
  const wanted = new Map(services.certificates().map((certificate) => [certificate.name, certificate]));
  const difference = await store.transaction(async (tx) => {
    const found = await tx.certificates.sync(services.certificates(), now);
    await tx.cursors.retain([...services.channels().keys()]);
    const base = { at: now, renewalId: null, target: null };
    const configured = (certificate: string, change: "added" | "changed"): NewEvent => {
      const { digest = null, targets = [] } = wanted.get(certificate) ?? {};
      const detail = { change, digest, targets };
      return { ...base, type: "certificate.configured", certificate, detail };
    };
    for (const certificate of found.added) await tx.events.append(configured(certificate, "added"));
    for (const certificate of found.changed) {
      await tx.events.append(configured(certificate, "changed"));
      await forgetUnknown(tx, certificate);
    }
    await followRenames(tx, found.added, services.certificates(), now);
    await warnOfDistrust(tx, [...found.added, ...found.changed], services.certificates(), now);
    await recordLeftTargets(tx, services, now);
    await watchObserved(tx, services.certificates(), now);
    await tx.watched.configure(services.watched?.() ?? [], now);
    for (const certificate of found.removed) {
      const detail = await whyRemoved(tx, services, certificate);
      await tx.events.append({ ...base, type: "certificate.removed", certificate, detail });
    }
    return found;
  });
  await store.transaction((tx) => adoptDefinitions(tx, services.certificates()));
  const { added, changed, removed } = difference;
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

/** Others are dialled from their first deployment on; of these renewd makes none. */
async function watchObserved(tx: Store, certificates: readonly Certificate[], now: number): Promise<void> {
  const observed = new Set(certificates.filter(({ mode }) => mode === "observe").map(({ name }) => name));
  if (observed.size === 0) return;
  for (const { name, nextObservationAt } of await tx.certificates.list())
    if (observed.has(name) && nextObservationAt === null)
      await tx.certificates.update(name, { nextObservationAt: now });
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
async function warnOfDistrust(
  tx: Store,
  names: readonly string[],
  certificates: readonly Certificate[],
  at: number,
): Promise<void> {
  const changed = new Set(names);
  for (const { name, allDistrusted, issuer, fallbacks } of certificates) {
    if (!allDistrusted || !changed.has(name)) continue;
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
