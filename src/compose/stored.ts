import { existsSync } from "node:fs";
import type { Config } from "../config/config.ts";
import type { ReadStored, Stored } from "../config/load.ts";
import { openExistingVault, readDefinitions } from "../store/index.ts";
import { trustSystemAuthorities } from "./systemTrust.ts";

/**
 * The certificates that the database defines; none before renewd has run, and none for a user who may not look there:
 * who checks a file needs no database, and what does need one says why it cannot be opened. Without the master key, as
 * where somebody only looks, no seal is checked: what works opens the database with the key, or not at all.
 */
export const readStored: ReadStored = async ({ store, masterKey }): Promise<Stored> => {
  if (isAbsent(store)) return { revision: 0, definitions: [], altered: [] };
  if (store.kind === "postgresql") trustSystemAuthorities();
  return readDefinitions(store, await openExistingVault(masterKey).catch(() => null));
};

function isAbsent(store: Config["store"]): boolean {
  return store.kind === "sqlite" && !existsSync(store.file);
}
