import { stat } from "node:fs/promises";
import { RenewalError } from "../domain/errors.ts";
import { directoryFault, openToAllFault, processUser } from "../domain/ownership.ts";

/** Throws `store.exposed` when somebody else could replace the database, the master key or the queue's socket in it. */
export async function checkDataDirectory(path: string): Promise<void> {
  const user = processUser();
  const found = await stat(path).catch(() => null);
  // One that does not exist is created with the right mode; one that cannot be read fails where files are opened.
  const fault = user === null || found === null ? null : directoryFault(path, found, user);
  if (fault !== null) throw new RenewalError("store.exposed", `data directory ${fault}`);
}

/** What `checkDataDirectory` refuses of it for every user; null: nothing. */
export async function dataDirectoryFault(path: string): Promise<RenewalError | null> {
  const found = await stat(path).catch(() => null);
  const fault = found && openToAllFault(path, found);
  return fault === null ? null : new RenewalError("store.exposed", `data directory ${fault}`);
}
