import { late } from "../domain/late.ts";
import type { Store } from "../domain/store.ts";
import type { Acceptance } from "./acceptHistory.ts";
import type { AuditOptions, HistoryAudit } from "./audit.ts";
import { type Opening, openDatabase, openDatabaseToRead, openEmptyDatabase, type StoreOptions } from "./database.ts";
import { hasMasterKeyCheck } from "./masterKeyCheck.ts";
import { refuseMoved, unmarkMoved } from "./moved.ts";
import { isMissing } from "./presence.ts";
import { storeRepositories } from "./repositories.ts";
import { blindVault, passingVault, type Vault } from "./vault.ts";

export type { AcceptedFaults, HistoryFault } from "./acceptedFaults.ts";
export type { Acceptance } from "./acceptHistory.ts";
export type { AuditOptions, HistoryAudit } from "./audit.ts";
export type { RowFault } from "./auditRows.ts";
export type { BackupReport } from "./backup/backup.ts";
export type { CopyOptions, RowsByTable } from "./backup/copy.ts";
export type { RestoreOptions, RestoreReport } from "./backup/restore.ts";
export { checkDatabaseServer, isUnused, type Opening, type StoreOptions } from "./database.ts";
export { markText, parseMark, readMark, stillHolds, writeMark } from "./historyMark.ts";
export { schemaVersion } from "./migrations/index.ts";
export { isMissing } from "./presence.ts";
export { openExistingVault, openVault, type Vault, type VaultOptions } from "./vault.ts";

export const readDefinitions = late(async () => (await import("./definitionsToRead.ts")).readDefinitions);
export const backupStore = late(async () => (await import("./backup/backup.ts")).backupStore);
export const copyStore = late(async () => (await import("./backup/copy.ts")).copyStore);
export const restoreStore = late(async () => (await import("./backup/restore.ts")).restoreStore);

/**
 * Opens the database, brings its schema up to date and checks that the vault fits it. `worker` names this process in
 * every event. Throws `store.unavailable`, `store.sealed` or `config.invalid`; no message holds the URL's password.
 */
export async function openStore(
  options: StoreOptions,
  vault: Vault,
  worker: string,
  opening: Opening = {},
): Promise<Store> {
  const database = await openDatabase(options, vault, opening);
  await refuseMoved(database);
  return storeRepositories(database, vault, worker);
}

/** As `openStore`, to read only: creates nothing. `vault` null: without master key. */
export async function openStoreToRead(options: StoreOptions, vault: Vault | null, worker: string): Promise<Store> {
  const database = await openDatabaseToRead(options, vault);
  await refuseMoved(database);
  return storeRepositories(database, vault ?? blindVault(), worker);
}

/** A store in memory with nothing in it. */
export async function openEmptyStore(worker: string): Promise<Store> {
  const vault = passingVault();
  return storeRepositories(await openEmptyDatabase(vault), vault, worker);
}

/** Whether the database holds something that was sealed with a master key. Creates nothing; false: there is none. */
export async function isSealedAlready(options: StoreOptions): Promise<boolean> {
  if (options.kind === "sqlite" && isMissing(options.file)) return false;
  const { db } = await openDatabaseToRead(options, null).catch(() => ({ db: null }));
  try {
    // One that cannot be read as it is may hold anything.
    return db === null ? options.kind === "sqlite" : await hasMasterKeyCheck(db);
  } finally {
    await db?.destroy();
  }
}

/** Migrates, as every opening does, and reports the schema version before. */
export async function migrateStore(
  options: StoreOptions,
  vault: Vault,
): Promise<{ readonly where: string; readonly before: number }> {
  const { db, where, versionBefore } = await openDatabase(options, vault);
  await db.destroy();
  return { where, before: versionBefore };
}

/** Takes a database back into use that was copied elsewhere. False: it was in use. */
export async function reopenStore(options: StoreOptions, vault: Vault): Promise<boolean> {
  const { db } = await openDatabase(options, vault);
  try {
    return await unmarkMoved(db);
  } finally {
    await db.destroy();
  }
}

/** Checks that the history is as renewd wrote it. */
export async function auditStore(
  options: StoreOptions,
  vault: Vault,
  audit: AuditOptions,
  signal: AbortSignal,
): Promise<HistoryAudit> {
  const database = await openDatabase(options, vault);
  try {
    const { auditHistory } = await import("./audit.ts");
    return await auditHistory(database, vault, audit, signal);
  } finally {
    await database.db.destroy();
  }
}

/** As `auditStore`, and records that a person accepts what it found. Throws `request.invalid` for too much. */
export async function acceptStore(
  options: StoreOptions,
  vault: Vault,
  { audit, acceptance }: { readonly audit: AuditOptions; readonly acceptance: Acceptance },
  signal: AbortSignal,
): Promise<HistoryAudit> {
  const database = await openDatabase(options, vault);
  try {
    const { auditHistory } = await import("./audit.ts");
    const { acceptFaults } = await import("./acceptHistory.ts");
    const found = await auditHistory(database, vault, audit, signal);
    if (found.faults.length + found.rows.length + found.lostHeads.length > 0 || found.headProblem !== null)
      await acceptFaults(database, vault, found, acceptance);
    return found;
  } finally {
    await database.db.destroy();
  }
}
