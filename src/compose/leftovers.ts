import { removeLeftFiles } from "../deployers/leftFiles.ts";
import { type LeftTarget, leftFiles } from "../domain/leftTarget.ts";
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

/** Removes what left targets hold in files of this machine, and forgets those that hold nothing here any more. */
export async function removeLeftovers(reader: Reader, signal: AbortSignal): Promise<Cleaned[]> {
  const cleaned: Cleaned[] = [];
  const occupied = occupiedPlaces(reader.services);
  for (const left of await reader.store.leftTargets.list()) {
    const files = leftFiles(left);
    if (files.length === 0) {
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
