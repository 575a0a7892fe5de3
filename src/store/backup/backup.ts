import { link, lstat, open, rename } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { RenewalError } from "../../domain/errors.ts";
import type { StoreOptions } from "../database.ts";
import { schemaVersion } from "../migrations/index.ts";
import type { Vault } from "../vault.ts";
import { copyStore, type RowsByTable } from "./copy.ts";
import { sealFile } from "./sealedFile.ts";
import { fileStep, withWorkDirectory } from "./workDirectory.ts";

export interface BackupReport {
  readonly file: string;
  readonly bytes: number;
  readonly rows: RowsByTable;
}

/**
 * Writes the store as it is at one instant into `file`, sealed under the master key. Workers continue meanwhile. The
 * file appears complete or not at all. Throws `backup.file` when it exists, unless `replace`.
 */
export async function backupStore(
  from: StoreOptions,
  file: string,
  vault: Vault,
  { replace, now }: { readonly replace: boolean; readonly now: number },
  signal: AbortSignal,
): Promise<BackupReport> {
  const destination = resolve(file);
  const found = await lstat(destination).catch(() => null);
  if (found !== null && !replace) throw exists(destination);
  if (found?.isDirectory()) throw new RenewalError("backup.file", `${destination} is a directory; name a file in it`);
  return withWorkDirectory(dirname(destination), async (directory) => {
    const snapshot = join(directory, "snapshot.db");
    const rows = await copyStore(from, { kind: "sqlite", file: snapshot }, vault, { snapshot: true }, signal);
    const sealed = join(directory, "sealed");
    return fileStep(destination, async () => {
      const bytes = await sealFile({ from: snapshot, to: sealed }, { createdAt: now, schemaVersion }, vault, signal);
      await (replace ? rename(sealed, destination) : publish(sealed, destination));
      await syncDirectory(dirname(destination));
      return { file: destination, bytes, rows };
    });
  });
}

/** `link` refuses an existing name, which `rename` would replace: two backups to one name at once lose nothing. */
async function publish(sealed: string, destination: string): Promise<void> {
  await link(sealed, destination).catch((thrown: unknown) => {
    throw thrown instanceof Error && "code" in thrown && thrown.code === "EEXIST" ? exists(destination) : thrown;
  });
}

function exists(destination: string): RenewalError {
  return new RenewalError(
    "backup.file",
    `${destination} exists already; choose another name, or replace it with --force`,
  );
}

async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path);
  await directory.sync();
}
