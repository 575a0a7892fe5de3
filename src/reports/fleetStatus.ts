import type { Certificate } from "../domain/certificate.ts";
import { CLOCK_SKEW_MAX_MS } from "../domain/lease.ts";
import { STEADY_MS, type StoredPart } from "../domain/steady.ts";
import { NAMES_MAX, type Store } from "../domain/store.ts";
import { proofAgeMaxMs } from "../renewal/rules/proofAge.ts";
import { DEFAULT_SETTINGS } from "../renewal/rules/settings.ts";
import { silentAmong } from "../renewal/rules/vantages.ts";
import type { ConfiguredFleet } from "./configured.ts";
import { OVERDUE_MS } from "./notices.ts";
import { type StatusOptions, type StatusReport, statusOfSome, statusReport } from "./status.ts";
import { SteadyParts } from "./steadyParts.ts";
import type { Rest } from "./summary.ts";

/** Of the steady ones with the oldest proofs so many are read: how old the oldest is, is shown. */
const ASIDE_MAX = 3;
const PROOFS_MAX = 500;

/** The status of the whole fleet, of which no more is read than must be. */
export async function fleetStatus(
  store: Store,
  fleet: ConfiguredFleet,
  now: number,
  options: StatusOptions = {},
): Promise<StatusReport> {
  const some = await certificatesToRead(store, fleet, now, options);
  if (some === null) return statusReport(store, await fleet.all(), now, options);
  return statusOfSome(store, { fleet, uses: await fleet.uses(), ...some }, now, options);
}

export interface ToRead {
  readonly certificates: readonly Certificate[];
  /** The sums that the planner wrote of the others. */
  readonly rest: Rest;
}

/**
 * Of a fleet that the planner has applied, certificates are read if nobody has found them steady lately, if anything has
 * happened to them since, or if a row says that something is wrong. null: all must be.
 */
export async function certificatesToRead(
  store: Store,
  fleet: Pick<ConfiguredFleet, "count" | "release" | "names" | "named">,
  now: number,
  options: Pick<StatusOptions, "observeMs"> = {},
): Promise<ToRead | null> {
  const { release } = fleet;
  if (release === null) return null;
  const parts = new SteadyParts(await believed(store, release, now));
  const changed = await setChangedAside(store, parts);
  await setSuspectsAside(store, parts, now, options);
  const oldestProofAt = await setOldestAside(store, parts, now, options);
  const { others, ...sums } = await parts.sum(store.steady);
  const read = new Set([...others, ...changed]);
  const certificates = await named(fleet, [...read]);
  const isComplete = (): boolean => sums.provedLive + sums.notProved + certificates.length === fleet.count;
  if (!isComplete()) {
    const unknown = await parts.unknownAmong(await fleet.names(), store.steady);
    certificates.push(
      ...(await named(
        fleet,
        unknown.filter((name) => !read.has(name)),
      )),
    );
  }
  // Somebody else took certificates away, or the configuration was changed just now.
  return isComplete() ? { certificates, rest: { ...sums, oldestProofAt } } : null;
}

async function named(fleet: Pick<ConfiguredFleet, "named">, names: readonly string[]): Promise<Certificate[]> {
  const found: Certificate[] = [];
  for (let from = 0; from < names.length; from += NAMES_MAX)
    found.push(...(await fleet.named(names.slice(from, from + NAMES_MAX))));
  return found;
}

/** What renewd wrote lately. */
async function believed(store: Store, release: string, now: number): Promise<StoredPart[]> {
  const [newest] = await store.events.list({ limit: 1 });
  const prunedTo = await store.events.prunedTo();
  const beats = await store.health.beats();
  const isBelieved = ({ checkedAt, seq, vantages, ...part }: StoredPart): boolean =>
    part.release === release &&
    checkedAt <= now + CLOCK_SKEW_MAX_MS &&
    now - checkedAt < STEADY_MS &&
    // Behind a history that was put back, or whose events since were removed, nobody knows what happened.
    seq <= (newest?.seq ?? 0) &&
    seq >= prunedTo &&
    silentAmong(vantages, beats, now).size === 0;
  return (await store.steady.list()).filter(isBelieved);
}

/** Those to which anything has happened since. Returns their names: new ones are among them, and such as have left. */
async function setChangedAside(store: Store, parts: SteadyParts): Promise<string[]> {
  if (parts.firstSeq === null) return [];
  const changed = [...(await store.steady.changedSince(parts.firstSeq))].filter(
    ([name, seq]) => seq > (parts.of(name)?.seq ?? 0),
  );
  for (const [name] of changed) parts.setAside(name);
  return changed.map(([name]) => name);
}

/** Those of which a row says that something is wrong. */
async function setSuspectsAside(
  store: Store,
  parts: SteadyParts,
  now: number,
  { observeMs = DEFAULT_SETTINGS.observeMs }: StatusOptions,
): Promise<void> {
  if (parts.firstSeq === null) return;
  const terms = { checkDueBefore: now - OVERDUE_MS, proofsFrom: now - proofAgeMaxMs(observeMs) };
  for (const name of await store.steady.suspects(terms)) parts.setAside(name);
}

/** Those with the oldest proofs. Returns an instant before which no proof of the others was taken. */
async function setOldestAside(
  store: Store,
  parts: SteadyParts,
  now: number,
  { observeMs = DEFAULT_SETTINGS.observeMs }: StatusOptions,
): Promise<number | null> {
  const proofs = await store.steady.oldestProofs(now - proofAgeMaxMs(observeMs), PROOFS_MAX);
  let aside = 0;
  for (const { certificate, at } of proofs) {
    if (parts.setAside(certificate)) aside += 1;
    if (aside === ASIDE_MAX) return at;
  }
  return proofs.length === PROOFS_MAX ? (proofs.at(-1)?.at ?? null) : null;
}
