import { AsyncLocalStorage } from "node:async_hooks";
import { execFile } from "node:child_process";
import { type FileHandle, link, mkdtemp, readlink, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { Kysely, sql } from "kysely";
import { expect, test } from "vitest";
import type { DataSync } from "../../src/store/dialect/logSync.ts";
import { sqliteDialect, sqliteSource } from "../../src/store/dialect/sqlite.ts";
import { until } from "../support/until.ts";

interface Tables {
  numbers: { n: number };
}

/** What Linux says once of pages that it could not write. */
const EIO = Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO" });

async function opened(dataSync: DataSync) {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "renewd-log-"));
  stack.defer(() => rm(directory, { recursive: true }));
  const file = join(directory, "renewd.db");
  const db = new Kysely<Tables>({
    dialect: sqliteDialect(await sqliteSource(file, dataSync), new AsyncLocalStorage()),
  });
  stack.defer(() => db.destroy());
  await sql`create table numbers (n integer primary key)`.execute(db);
  const other = stack.use(new DatabaseSync(file));
  /** What is committed, on disk or not. */
  const committed = () => numbersOf(other);
  const insert = (n: number) => db.transaction().execute((trx) => trx.insertInto("numbers").values({ n }).execute());
  const moved = stack.move();
  return { db, file, other, committed, insert, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

const numbersOf = (database: DatabaseSync) =>
  database
    .prepare("select n from numbers order by n")
    .all()
    .map(({ n }) => n);

/** Syncs that wait until they are let go, or fail, from `hold` on. */
function heldSyncs() {
  const waiting: { go: () => void; fail: (reason: unknown) => void }[] = [];
  let holding = false;
  return {
    waiting,
    hold: () => {
      holding = true;
    },
    async dataSync(file: FileHandle) {
      if (holding) {
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        waiting.push({ go: resolve, fail: reject });
        await promise;
      }
      await file.datasync();
    },
    release() {
      holding = false;
      for (const one of waiting.splice(0)) one.go();
    },
  };
}

/** Names in the order in which their promises ended. */
function ends() {
  const order: string[] = [];
  const note = <T>(name: string, promise: Promise<T>): Promise<T> => promise.finally(() => order.push(name));
  return { order, note };
}

const present = (is: () => boolean) => until("it is so", async () => (is() ? true : null), 10_000);

test("a transaction waits for the disk while others commit, and those share the next sync", async () => {
  const syncs = heldSyncs();
  await using database = await opened(syncs.dataSync);
  const { order, note } = ends();
  syncs.hold();
  const first = note("first", database.insert(1));
  await present(() => syncs.waiting.length === 1);
  const later = [2, 3, 4].map((n) => note(`later ${n}`, database.insert(n)));
  await present(() => database.committed().length === 4);
  expect([order, syncs.waiting.length]).toEqual([[], 1]);
  syncs.waiting.shift()?.go();
  await first;
  await present(() => syncs.waiting.length === 1);
  expect(order).toEqual(["first"]);
  syncs.waiting.shift()?.go();
  await Promise.all(later);
  expect(syncs.waiting).toEqual([]);
});

test("a read answers when what it saw is on disk", async () => {
  const syncs = heldSyncs();
  await using database = await opened(syncs.dataSync);
  const { order, note } = ends();
  syncs.hold();
  const write = note("write", database.insert(1));
  await present(() => syncs.waiting.length === 1);
  const read = note("read", database.db.selectFrom("numbers").select("n").execute());
  // This takes longer than a read that waits for nothing.
  const second = note("write", database.insert(2));
  await present(() => database.committed().length === 2);
  expect(order).toEqual([]);
  syncs.release();
  expect(await read).toEqual([{ n: 1 }]);
  await Promise.all([write, second]);
});

test("what reads one instant answers when that is on disk, whoever wrote it", async () => {
  const syncs = heldSyncs();
  await using database = await opened(syncs.dataSync);
  const { order, note } = ends();
  syncs.hold();
  database.other.exec("insert into numbers values (1)");
  const snapshot = database.db
    .transaction()
    .setAccessMode("read only")
    .execute((reader) => reader.selectFrom("numbers").select("n").execute());
  const read = note("read", snapshot);
  await present(() => syncs.waiting.length === 1);
  expect(order).toEqual([]);
  syncs.release();
  expect(await read).toEqual([{ n: 1 }]);
});

/** Copies the log as far as it was written before the sync began: a power cut after it leaves at least this. */
function surviving() {
  const survived = { copy: "", copies: 0 };
  const dataSync = async (log: FileHandle) => {
    const path = await readlink(`/proc/self/fd/${log.fd}`);
    const { size } = await log.stat();
    await log.datasync();
    const copy = join(dirname(path), `copy${++survived.copies}.db`);
    // By another process: closing the database here would drop this one's locks (sqlite.org/howtocorrupt.html §2.2).
    await promisify(execFile)("cp", [path.replace(/-wal$/, ""), copy]);
    await promisify(execFile)("cp", [path, `${copy}-wal`]);
    await truncate(`${copy}-wal`, size);
    survived.copy = copy;
  };
  return { survived, dataSync };
}

test("what has resolved is in the files as the last finished sync left them", async () => {
  const { survived, dataSync } = surviving();
  await using database = await opened(dataSync);
  const lost: number[] = [];
  const check = async (n: number) => {
    await database.insert(n);
    using cut = new DatabaseSync(survived.copy);
    if (!numbersOf(cut).includes(n)) lost.push(n);
  };
  await Promise.all(Array.from({ length: 40 }, (_, n) => check(n)));
  expect([lost, survived.copies > 1]).toEqual([[], true]);
});

test("a sync that fails rejects those who wait for the next one too, and the next to write makes it good", async () => {
  const syncs = heldSyncs();
  await using database = await opened(syncs.dataSync);
  syncs.hold();
  const results = Promise.allSettled([1, 2].map((n) => database.insert(n)));
  await present(() => syncs.waiting.length === 1);
  const next = Promise.allSettled([database.insert(3)]);
  await present(() => database.committed().length === 3);
  syncs.waiting.shift()?.fail(EIO);
  const reason = { code: "store.unavailable", message: expect.stringContaining("EIO") };
  for (const result of [...(await results), ...(await next)])
    expect(result).toMatchObject({ status: "rejected", reason });
  syncs.release();
  await database.insert(4);
  // The database alone, without its log: what the failed sync may have lost is in it.
  const alone = `${database.file}-alone`;
  await promisify(execFile)("cp", [database.file, alone]);
  using without = new DatabaseSync(alone);
  expect(numbersOf(without)).toEqual([1, 2, 3]);
  expect(database.committed()).toEqual([1, 2, 3, 4]);
});

test("nothing is appended to a log that could not be synced while somebody reads it", async () => {
  const syncs = heldSyncs();
  await using database = await opened(syncs.dataSync);
  database.other.exec("begin; select * from numbers");
  syncs.hold();
  const write = database.insert(1);
  const failed = expect(write).rejects.toMatchObject({ code: "store.unavailable" });
  await present(() => syncs.waiting.length === 1);
  syncs.waiting.shift()?.fail(EIO);
  await failed;
  syncs.release();
  await expect(database.insert(2)).rejects.toMatchObject({ code: "store.unavailable" });
  await expect(database.insert(2)).rejects.toMatchObject({ code: "store.unavailable" });
  database.other.exec("commit");
  await database.insert(2);
  expect(database.committed()).toEqual([1, 2]);
});

test("what an earlier process left in the log is in the database before more is appended", async () => {
  await using database = await opened((file) => file.datasync());
  await database.insert(1);
  const { size } = await stat(database.file);
  const next = await sqliteSource(database.file);
  const wire = await next.connect();
  // A database on a full disk can be opened and read.
  expect((await wire.query("select n from numbers", [])).rows).toEqual([{ n: 1 }]);
  expect((await stat(database.file)).size).toBe(size);
  await wire.query("insert into numbers (n) values (2)", []);
  await next.close();
  const alone = `${database.file}-alone`;
  await promisify(execFile)("cp", [database.file, alone]);
  using without = new DatabaseSync(alone);
  expect(numbersOf(without)).toEqual([1]);
});

test("the log that is synced is the one that SQLite writes, also after it was made again", async () => {
  const synced: number[] = [];
  await using database = await opened(async (file) => {
    synced.push((await file.stat()).ino);
    await file.datasync();
  });
  await database.insert(1);
  database.other.close();
  // Under another name the removed log keeps its number, which the next could get.
  await link(`${database.file}-wal`, `${database.file}-before`);
  await sql`pragma journal_mode = delete`.execute(database.db);
  await sql`pragma journal_mode = wal`.execute(database.db);
  await database.insert(2);
  expect(synced.at(-1)).toBe((await stat(`${database.file}-wal`)).ino);
  expect(new Set(synced)).toHaveLength(2);
});

test("closing waits for the disk", async () => {
  const syncs = heldSyncs();
  await using database = await opened(syncs.dataSync);
  const { order, note } = ends();
  syncs.hold();
  const write = note("write", database.insert(1));
  await present(() => syncs.waiting.length === 1);
  const closing = note("closing", database.db.destroy());
  syncs.release();
  await Promise.all([write, closing]);
  expect(order).toEqual(["write", "closing"]);
  expect(database.committed()).toEqual([1]);
});
