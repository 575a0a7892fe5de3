import { lstat, readlink, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { RenewalError } from "../domain/errors.ts";
import { directoryFault, openToAllFault, processUser } from "../domain/ownership.ts";

/**
 * Throws `store.forbidden` where no directory can be, and `store.exposed` when somebody else could replace the
 * database, the master key or the queue's socket in it.
 */
export async function checkDataDirectory(path: string): Promise<void> {
  const impossible = await impossibleFault(path);
  if (impossible !== null) throw impossible;
  const user = processUser();
  const found = await stat(path).catch(() => null);
  // One that does not exist is created with the right mode; one that cannot be read fails where files are opened.
  const fault = user === null || found === null ? null : directoryFault(path, found, user);
  if (fault !== null) throw new RenewalError("store.exposed", `data directory ${fault}`);
}

/** What `checkDataDirectory` refuses of it for every user; null: nothing. */
export async function dataDirectoryFault(path: string): Promise<RenewalError | null> {
  const impossible = await impossibleFault(path);
  if (impossible !== null) return impossible;
  const found = await stat(path).catch(() => null);
  const fault = found && openToAllFault(path, found);
  return fault === null ? null : new RenewalError("store.exposed", `data directory ${fault}`);
}

async function impossibleFault(path: string): Promise<RenewalError | null> {
  const why = await impossiblePlace(path);
  return why === null ? null : new RenewalError("store.forbidden", `data directory ${path}: ${why}`);
}

/** Kernel's own file systems, in which nobody creates directories; Node's recursive mkdir never ends there. */
const KERNEL_FILE_SYSTEMS: ReadonlySet<number> = new Set([0x9fa0, 0x62656572]);

/** Why the directory cannot exist or be created, as after a disk was not mounted; null: nothing is known against it. */
async function impossiblePlace(path: string): Promise<string | null> {
  for (let place = path; ; place = dirname(place)) {
    const found = await lstat(place).catch(() => null);
    if (found === null && place !== dirname(place)) continue;
    if (found === null) return null;
    if (found.isSymbolicLink()) {
      const target = await stat(place).catch(({ code }: NodeJS.ErrnoException) => code);
      const leadsTo = await readlink(place).catch(() => "?");
      if (target === "ENOENT") return `the link ${place} leads to ${leadsTo}, which does not exist: mount or create it`;
      // One that may not be followed is found where it is opened.
      if (typeof target !== "object") return null;
      return target.isDirectory() ? null : `the link ${place} leads to ${leadsTo}, which is no directory`;
    }
    if (!found.isDirectory()) return `${place} is no directory`;
    const { type } = await statfs(place);
    return place !== path && KERNEL_FILE_SYSTEMS.has(type) ? `nothing can be created in ${place}` : null;
  }
}
