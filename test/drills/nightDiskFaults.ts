// What a failing or full disk leaves, and what a person does about it. Some mount, which takes root.
import { execFile } from "node:child_process";
import { cp, open, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { WORKER_ROLES } from "../support/system/system.ts";
import type { Fault, Night } from "./night.ts";

const run = promisify(execFile);
const FULL_DISK_BYTES = 64 * 1024 * 1024;
/** Less than renewd's own limit. */
const LEFT_BYTES = 4 * 1024 * 1024;

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
  {
    title: "the directory of the target cannot be written",
    async break(night) {
      const { directory } = night.nginx;
      await run("mount", ["--bind", directory, directory]);
      await run("mount", ["-o", "remount,ro,bind", directory]);
      await night.renewd("renew", "www", "--force");
    },
    named: /EROFS.*\[deploy\.\w+\]/,
    byHand: ({ nginx }) => run("umount", [nginx.directory]).then(() => {}),
    typed: /^retry www$/,
  },
  {
    title: "the disk of the data directory is full",
    async break(night) {
      const { dataDir } = night.system;
      await stopAll(night);
      await moved(dataDir, () =>
        run("mount", ["-t", "tmpfs", "-o", `mode=700,size=${FULL_DISK_BYTES}`, "tmpfs", dataDir]),
      );
      await startAll(night);
      const { stdout } = await run("df", ["--output=avail", "-B1", dataDir]);
      const free = Number(stdout.split("\n")[1]);
      await writeFile(join(dataDir, "filler"), Buffer.alloc(free - LEFT_BYTES));
    },
    named: /✗ the disk of .* is full: .* free/,
    byHand: ({ system }) => rm(join(system.dataDir, "filler")),
    async after(night) {
      await stopAll(night);
      await moved(night.system.dataDir, () => run("umount", [night.system.dataDir]));
      await startAll(night);
    },
  },
];

/** The directory keeps what it holds while `swap` puts another file system in its place. */
async function moved(directory: string, swap: () => Promise<unknown>): Promise<void> {
  const aside = `${directory}.aside`;
  await rm(aside, { recursive: true, force: true });
  await cp(directory, aside, { recursive: true, preserveTimestamps: true });
  await swap();
  await cp(aside, directory, { recursive: true, preserveTimestamps: true, force: true });
}
