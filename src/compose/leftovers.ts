import { removeLeftFiles } from "../deployers/leftFiles.ts";
import { type LeftTarget, leftFiles } from "../domain/leftTarget.ts";
import { NAMES_MAX } from "../domain/store.ts";
import { isOccupied, occupiedPlaces } from "../renewal/plan/leftTargets.ts";
import type { Reader } from "./reader.ts";

/** What became of one target that left. */
export interface Cleaned {
  readonly left: LeftTarget;
  /** Files that were removed on this machine; null: its place is not a file here. */
  readonly removed: readonly string[] | null;
}

interface Installed {
  readonly store: Reader["store"];
  readonly clock: Reader["clock"];
  readonly services: Pick<Reader["services"], "certificate">;
}

/**
 * Endpoints that a server may still answer from what was left: what they serve was issued before the target left.
 * Without its key file that server would neither start nor reload.
 */
export async function servedFrom(
  { observations }: Pick<Reader["store"], "observations">,
  all: readonly LeftTarget[],
  now: number,
): Promise<Map<LeftTarget, string[]>> {
  const names = [...new Set(all.map(({ certificate }) => certificate))].slice(0, NAMES_MAX);
  const seen = names.length === 0 ? [] : await observations.allObservations(names);
  const found = new Map<LeftTarget, string[]>();
  for (const left of all) {
    const places = seen.flatMap(({ certificate, observation: { served, address, port } }) =>
      certificate === left.certificate && served !== null && served.notBefore <= left.leftAt && served.notAfter > now
        ? [`${address}:${port}`]
        : [],
    );
    if (places.length > 0) found.set(left, [...new Set(places)]);
  }
  return found;
}

/**
 * Removes what left targets hold in files of this machine, and forgets those that hold nothing here any more. `served`:
 * even what an endpoint may still be served from.
 */
export async function removeLeftovers(
  reader: Reader,
  { served: isServedToo }: { readonly served: boolean },
  signal: AbortSignal,
): Promise<Cleaned[]> {
  const cleaned: Cleaned[] = [];
  const occupied = occupiedPlaces(reader.services);
  const all = await reader.store.leftTargets.list();
  const served = isServedToo
    ? new Map<LeftTarget, string[]>()
    : await servedFrom(reader.store, all, reader.clock.now());
  for (const left of all) {
    const files = leftFiles(left);
    if (files.length === 0 || served.has(left)) {
      cleaned.push({ left, removed: null });
      continue;
    }
    const archive = typeof left.receipt.archive === "string" ? left.receipt.archive : null;
    const removed = await removeLeftFiles(
      { files, archive, certificate: left.certificate, isOccupied: (path) => isOccupied(path, occupied) },
      signal,
    );
    if (removed.length > 0) await forget(reader, left, `removed ${removed.join(", ")}`);
    cleaned.push({ left, removed });
  }
  return cleaned;
}

/** A person has removed what these targets hold, or wants to keep it. */
export async function forgetLeftovers(reader: Installed): Promise<Cleaned[]> {
  const all = await reader.store.leftTargets.list();
  for (const left of all) await forget(reader, left, "a person took care of it");
  return all.map((left) => ({ left, removed: null }));
}

async function forget({ store, clock, services }: Installed, left: LeftTarget, why: string): Promise<void> {
  const { certificate, target } = left;
  const isConfigured = services.certificate(certificate)?.targets.includes(target) === true;
  await store.transaction(async (tx) => {
    await tx.leftTargets.remove({ certificate, target });
    // The receipt of a target that left would have it recorded again. One that only writes elsewhere now goes on.
    if (!isConfigured) await tx.deployments.remove(certificate, target);
    const event = { at: clock.now(), type: "target.cleaned", certificate, renewalId: null, target } as const;
    await tx.events.append({ ...event, detail: { why } });
  });
}
