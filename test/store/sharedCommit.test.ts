import { AsyncLocalStorage } from "node:async_hooks";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync, StatementSync } from "node:sqlite";
import { setImmediate as eventLoop } from "node:timers/promises";
import { Kysely, sql } from "kysely";
import { afterEach, expect, test, vi } from "vitest";
import { sqliteDialect, sqliteSource } from "../../src/store/dialect/sqlite.ts";

interface Tables {
  numbers: { n: number; text: string };
}

afterEach(() => vi.restoreAllMocks());

async function opened() {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "renewd-shared-"));
  stack.defer(() => rm(directory, { recursive: true }));
  const file = join(directory, "renewd.db");
  const db = new Kysely<Tables>({ dialect: sqliteDialect(await sqliteSource(file), new AsyncLocalStorage()) });
  stack.defer(() => db.destroy());
  await sql`create table numbers (n integer primary key, text text not null)`.execute(db);
  const stored = async () => (await db.selectFrom("numbers").select("n").orderBy("n").execute()).map(({ n }) => n);
  const insert = (n: number, text = "") => db.transaction().execute((trx) => put(trx, n, text));
  const moved = stack.move();
  return { db, file, stored, insert, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

const put = (db: Kysely<Tables>, n: number, text = "") => db.insertInto("numbers").values({ n, text }).execute();

/** Counts commits from now on. */
function commits(): () => number {
  const run = vi.spyOn(StatementSync.prototype, "run");
  return () => run.mock.contexts.filter((one) => one instanceof StatementSync && one.sourceSQL === "commit").length;
}

test("transactions that wait for each other share a commit", async () => {
  await using database = await opened();
  const counted = commits();
  await Promise.all(Array.from({ length: 20 }, (_, n) => database.insert(n)));
  expect(counted()).toBeLessThanOrEqual(4);
  expect(await database.stored()).toHaveLength(20);
});

test("a transaction joins the commit of one that has ended in the same turn of the event loop", async () => {
  await using database = await opened();
  // A busy machine makes the event loop late: then a commit waits for nobody.
  vi.spyOn(performance, "now").mockReturnValue(performance.now());
  await database.insert(0);
  const counted = commits();
  const soon = async (n: number) => {
    await eventLoop();
    await database.insert(n);
  };
  await Promise.all([soon(1), database.insert(2)]);
  expect(counted()).toBe(1);
  expect(await database.stored()).toEqual([0, 1, 2]);
});

test("one that fails takes nothing of the others with it, nor is any of it kept", async () => {
  await using database = await opened();
  const failing = () =>
    database.db.transaction().execute(async (trx) => {
      await put(trx, 2);
      await put(trx, 1);
    });
  const results = await Promise.allSettled([database.insert(1), failing(), database.insert(3)]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(await database.stored()).toEqual([1, 3]);
});

test("a statement that fails alone is undone as a whole, and takes nothing of the others with it", async () => {
  await using database = await opened();
  await database.insert(3);
  const several = database.db.insertInto("numbers").values([1, 2, 3, 4].map((n) => ({ n, text: "" })));
  const results = await Promise.allSettled([put(database.db, 5), several.execute(), put(database.db, 6)]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(await database.stored()).toEqual([3, 5, 6]);
});

test("what has resolved is seen by another connection, and a read never sees what is not committed", async () => {
  await using database = await opened();
  using other = new DatabaseSync(database.file);
  const seen = other.prepare("select count(*) as c from numbers where n = ?");
  const wrong: number[] = [];
  const check = async (n: number, write: Promise<unknown>) => {
    await write;
    if (seen.get(n)?.c !== 1) wrong.push(n);
  };
  const reading = async (n: number) => {
    for (const found of await database.stored()) if (seen.get(found)?.c !== 1) wrong.push(1_000 + n);
  };
  const all = Array.from({ length: 60 }, (_, n) => n);
  await Promise.all(all.flatMap((n) => [check(n, n % 3 === 0 ? put(database.db, n) : database.insert(n)), reading(n)]));
  expect(wrong).toEqual([]);
  expect(await database.stored()).toEqual(all);
});

test("a full disk rejects every transaction of which nothing was kept, and the next one works", async () => {
  await using database = await opened();
  await sql`pragma max_page_count = 12`.execute(database.db);
  const big = "x".repeat(3_000);
  const results = await Promise.allSettled(Array.from({ length: 40 }, (_, n) => database.insert(n, big)));
  const kept = results.flatMap(({ status }, n) => (status === "fulfilled" ? [n] : []));
  expect(kept.length).toBeLessThan(40);
  expect(results).toContainEqual({ status: "rejected", reason: expect.objectContaining({ code: "store.full" }) });
  expect(await database.stored()).toEqual(kept);
  await sql`pragma max_page_count = 1000`.execute(database.db);
  await database.insert(100, big);
  expect(await database.stored()).toEqual([...kept, 100]);
});

test("closing lets what is under way end first, and leaves no journal", async () => {
  await using database = await opened();
  const writes = Array.from({ length: 10 }, (_, n) => database.insert(n));
  await Promise.all([...writes, database.db.destroy()]);
  using after = new DatabaseSync(database.file, { readOnly: true });
  expect(after.prepare("select count(*) as c from numbers").get()).toEqual({ c: 10 });
});
