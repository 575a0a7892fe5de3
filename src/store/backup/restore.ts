import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { RenewalError } from "../../domain/errors.ts";
import { ACTIVE_STATES } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import type { StoreOptions } from "../database.ts";
import { schemaVersion } from "../migrations/index.ts";
import { transactionRepositories } from "../repositories.ts";
import type { Db } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { copyStore, type RowsByTable } from "./copy.ts";
import { type SealedHeader, unsealFile } from "./sealedFile.ts";
import { fileStep, withWorkDirectory } from "./workDirectory.ts";

export interface RestoreOptions {
  /** Holds the opened backup meanwhile; created when missing. */
  readonly workDirectory: string;
  /** Names this process in the events `mark` writes. */
  readonly worker: string;
  /** Part of the one transaction that restores: says in the database what being restored means. */
  readonly mark: (tx: Store, backup: SealedHeader) => Promise<void>;
}

export interface RestoreReport extends SealedHeader {
  readonly rows: RowsByTable;
}

/** Far above any fence a worker may still hold that works on what came after the backup. */
const FENCE_JUMP = 1_000_000;

/**
 * Fills an empty database from a backup: all of it or nothing. The file is proved whole before the database is opened.
 * Throws `backup.file`, `backup.damaged`, `store.sealed`, or `request.invalid` when the database holds something.
 */
export async function restoreStore(
  file: string,
  to: StoreOptions,
  vault: Vault,
  options: RestoreOptions,
  signal: AbortSignal,
): Promise<RestoreReport> {
  const source = resolve(file);
  await fileStep(options.workDirectory, () => mkdir(options.workDirectory, { recursive: true, mode: 0o700 }));
  return withWorkDirectory(options.workDirectory, async (directory) => {
    const opened = join(directory, "opened.db");
    const header = await fileStep(source, () => unsealFile({ from: source, to: opened }, vault, signal));
    if (header.schemaVersion > schemaVersion) {
      throw new RenewalError(
        "store.unavailable",
        `${source}: was written by a newer renewd (schema ${header.schemaVersion}, this one knows ${schemaVersion})`,
      );
    }
    const rows = await copyStore(
      { kind: "sqlite", file: opened },
      to,
      vault,
      {
        async afterwards(destination, writer) {
          await raiseFences(writer);
          const { dialect } = destination;
          const { worker } = options;
          await transactionRepositories(destination, writer, { dialect, vault, worker }, (tx) =>
            options.mark(tx, header),
          );
        },
      },
      signal,
    );
    return { ...header, rows };
  });
}

/** A worker that goes on from the lost database must not be taken for one of the restored. */
async function raiseFences(writer: Db): Promise<void> {
  await writer
    .updateTable("renewals")
    .set((row) => ({ fence: row("fence", "+", FENCE_JUMP), leaseUntil: null }))
    .where("state", "in", ACTIVE_STATES)
    .execute();
  await writer
    .updateTable("deployments")
    .set((row) => ({ fence: row("fence", "+", FENCE_JUMP), leaseUntil: null }))
    .execute();
}
