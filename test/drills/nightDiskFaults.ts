// What a failing disk leaves, and what a person does about it.
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { WORKER_ROLES } from "../support/system/system.ts";
import type { Fault, Night } from "./night.ts";

export async function stopAll(night: Night): Promise<void> {
  await Promise.all(WORKER_ROLES.map((role) => night.process(role).stop()));
}

async function startAll(night: Night): Promise<void> {
  await Promise.all(WORKER_ROLES.map((role) => night.start(role)));
}

const database = ({ system }: Night): string => join(system.dataDir, "renewd.db");
const backup = ({ home }: Night): string => join(home, "backup");

export async function backUp(night: Night): Promise<void> {
  await rm(backup(night), { force: true });
  const { code, stderr } = await night.renewd("backup", backup(night));
  if (code !== 0) throw new Error(stderr);
  await stopAll(night);
}

/** The advice for a damaged database, with the names filled in. */
export async function restoreBackup(night: Night): Promise<void> {
  await rm(database(night));
  for (const suffix of ["-wal", "-shm"]) await rm(`${database(night)}${suffix}`, { force: true });
  const { code, stderr } = await night.renewd("restore", backup(night));
  if (code !== 0) throw new Error(stderr);
  await startAll(night);
}

/** What a disk that lost one block leaves: all but the first page of a table is as it was. */
async function damagePage(file: string, table: string): Promise<void> {
  let page = { at: 0, size: 0 };
  {
    using opened = new DatabaseSync(file);
    opened.exec("pragma wal_checkpoint(truncate)");
    const size = Number(opened.prepare("pragma page_size").get()?.page_size);
    const root = Number(opened.prepare("select rootpage from sqlite_schema where name = ?").get(table)?.rootpage);
    page = { at: (root - 1) * size, size };
  }
  const handle = await open(file, "r+");
  await handle.write(Buffer.alloc(page.size, 0xff), 0, page.size, page.at);
  await handle.close();
}

export const DISK_FAULTS: readonly Fault[] = [
  {
    title: "one page of the database is damaged",
    async break(night) {
      await backUp(night);
      await damagePage(database(night), "certificates");
    },
    named: /what to do: .*restore the newest backup: `renewd restore FILE`.*\[store\.damaged\]/,
    byHand: restoreBackup,
  },
];
