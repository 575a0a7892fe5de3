import { statSync } from "node:fs";
import { chmod, mkdir, open, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setTimeout as delay, setImmediate as eventLoop } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import {
  type Kysely,
  type Dialect as KyselyDialect,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import { RenewalError } from "../../domain/errors.ts";
import type { ErrorCode } from "../../domain/errorTable.ts";
import { type Source, StoreDriver, type TransactionScope } from "./driver.ts";
import { refuseExposed, refuseLinks } from "./exposed.ts";
import { keptPlans } from "./keptPlans.ts";

/**
 * How long a statement waits for another process's write. The wait is ours, not SQLite's own busy handler: that one
 * blocks the thread, which stops timers and handshakes, and two stores of one process would block each other.
 */
const BUSY_TIMEOUT_MS = 5_000;
const BUSY_POLL_MAX_MS = 10;

/** Primary result codes that mean a mistake in our statements (sqlite.org/rescode.html). */
const OUR_MISTAKES: readonly number[] = [1, 19, 20, 21, 25]; // ERROR, CONSTRAINT, MISMATCH, MISUSE, RANGE
const SQLITE_BUSY = 5;
/** READONLY, IOERR, FULL, CANTOPEN: what a reader gets where the journal's index cannot be created. */
const UNMAPPED: readonly number[] = [8, 10, 13, 14];
const CODES: Readonly<Record<number, ErrorCode>> = {
  3: "store.forbidden", // PERM
  8: "store.forbidden", // READONLY
  14: "store.forbidden", // CANTOPEN
  11: "store.damaged", // CORRUPT
  26: "store.damaged", // NOTADB
  13: "store.full", // FULL
};
const SYSTEM_CODES: Readonly<Record<string, ErrorCode>> = {
  EACCES: "store.forbidden",
  EPERM: "store.forbidden",
  EROFS: "store.forbidden",
  ENOSPC: "store.full",
  EDQUOT: "store.full",
};

/** Short beside the time limits of handshakes and leases, long beside a statement. */
const YIELD_AFTER_MS = 5;

const WRITES = /^\s*(?:insert|update|delete)\b/i;

export function sqliteDialect(source: Source, scope: TransactionScope): KyselyDialect {
  return {
    createDriver: () => new StoreDriver(source, scope),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createAdapter: () => new TransactionalSqliteAdapter(),
    createIntrospector: (db: Kysely<unknown>) => new SqliteIntrospector(db),
  };
}

/** Kysely asks for inheritance here. SQLite's DDL is transactional: two first starts at once are safe. */
class TransactionalSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
  /** Turns are taken in `sqliteSource`, behind the check for use inside an own transaction. */
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

/** The embedded database: one connection, used in turns; rows of other processes are seen as soon as committed. */
export async function sqliteSource(path: string): Promise<Source> {
  const file = resolve(path);
  const failure = (thrown: unknown): RenewalError => sqliteFailure(thrown, file);
  try {
    await prepareFile(file);
    const database = await openDatabase(file);
    return { where: file, ...takingTurns(database), failure };
  } catch (thrown) {
    throw failure(thrown);
  }
}

/** The database as it is: nothing is created, and nothing can be written. Throws when there is none. */
export async function readOnlySqliteSource(path: string): Promise<Source> {
  const file = resolve(path);
  const failure = (thrown: unknown): RenewalError => sqliteFailure(thrown, file);
  try {
    await stat(file);
    await refuseLinks(file);
    return { where: file, ...takingTurns(openToRead(file)), failure };
  } catch (thrown) {
    throw failure(thrown);
  }
}

function openToRead(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: 0, readOnly: true });
  try {
    database.prepare("select count(*) from sqlite_schema").get();
    return database;
  } catch (thrown) {
    database.close();
    if (!UNMAPPED.includes(primaryCode(thrown) ?? 0)) throw thrown;
    // The journal's index cannot be created (full disk, directory of somebody else): what was checkpointed is readable.
    const url = pathToFileURL(file);
    url.searchParams.set("immutable", "1");
    return new DatabaseSync(url, { timeout: 0, readOnly: true });
  }
}

/** A database that is gone when it is closed. */
export function memorySqliteSource(): Source {
  const database = new DatabaseSync(":memory:", { timeout: 0, enableForeignKeyConstraints: true });
  return { where: "memory", ...takingTurns(database), failure: (thrown) => sqliteFailure(thrown, ":memory:") };
}

/**
 * SQLite gives its -wal and -shm files the mode of the database file, so this file is created first. An existing one is
 * never opened here: closing it would drop the locks that another connection of this process holds on it (POSIX fcntl;
 * sqlite.org/howtocorrupt.html §2.2), and the next process to end would delete the journal from under us.
 */
async function prepareFile(file: string): Promise<void> {
  const directory = dirname(file);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await refuseExposed(file, directory);
  const created = await open(file, "ax", 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "EEXIST") return null;
    throw error;
  });
  await created?.close();
  const { mode } = await stat(file);
  if ((mode & 0o077) !== 0) await chmod(file, 0o600);
}

async function openDatabase(file: string): Promise<DatabaseSync> {
  const database = new DatabaseSync(file, { timeout: 0, enableForeignKeyConstraints: true });
  try {
    // Switching to WAL needs the file alone for a moment; another process may be at it.
    await whileBusy(() => database.exec("pragma journal_mode = wal"));
    await whileBusy(() => database.exec("pragma synchronous = full"));
    return database;
  } catch (thrown) {
    database.close();
    throw thrown;
  }
}

function takingTurns(database: DatabaseSync): Omit<Source, "where" | "failure"> {
  const prepared = keptPlans(database);
  let turn: Promise<void> = Promise.resolve();
  let yieldedAt = performance.now();
  const takeTurn = async (): Promise<() => void> => {
    const before = turn;
    const { promise, resolve: giveUp } = Promise.withResolvers<void>();
    turn = promise;
    await before;
    // SQLite answers at once, so a long loop over the store would never let a timer or socket have its turn.
    if (performance.now() - yieldedAt >= YIELD_AFTER_MS) {
      await eventLoop();
      yieldedAt = performance.now();
    }
    return giveUp;
  };
  return {
    // A transaction that is a writer from its start cannot fail with SQLITE_BUSY_SNAPSHOT later.
    begin: "begin immediate",
    // Reading in WAL mode keeps the state of its first statement while others write (sqlite.org/isolation.html).
    beginSnapshot: "begin deferred",
    async connect() {
      const release = await takeTurn();
      return {
        query: (sql, parameters) =>
          whileBusy(() => {
            const values = parameters.map((value) => (typeof value === "boolean" ? Number(value) : value));
            const { statement, answersRows } = prepared(sql);
            if (answersRows) return { rows: allRows(statement, sql, values), written: null };
            return { rows: [], written: Number(statement.run(...values).changes) };
          }),
        release,
      };
    },
    async close() {
      const release = await takeTurn();
      if (database.isOpen) database.close();
      release();
    },
  };
}

type Row = Readonly<Record<string, unknown>>;

/**
 * A number beyond what JavaScript counts exactly, which only somebody else can have written, makes node:sqlite refuse the
 * whole answer: one row would hide every other. Such a number is read as the largest one.
 */
function allRows(statement: StatementSync, sql: string, values: readonly (string | number | null)[]): readonly Row[] {
  // A statement that writes must not run twice.
  if (WRITES.test(sql)) return allBounded(statement, values);
  try {
    return statement.all(...values);
  } catch (thrown) {
    if (!(thrown instanceof Error && "code" in thrown && thrown.code === "ERR_OUT_OF_RANGE")) throw thrown;
    return allBounded(statement, values);
  }
}

function allBounded(statement: StatementSync, values: readonly (string | number | null)[]): readonly Row[] {
  statement.setReadBigInts(true);
  try {
    const exact = (row: Row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, exactly(value)]));
    return statement.all(...values).map(exact);
  } finally {
    statement.setReadBigInts(false);
  }
}

function exactly(value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Number(value)));
}

async function whileBusy<T>(step: () => T): Promise<T> {
  const deadline = performance.now() + BUSY_TIMEOUT_MS;
  for (;;) {
    try {
      return step();
    } catch (thrown) {
      if (primaryCode(thrown) !== SQLITE_BUSY || performance.now() >= deadline) throw thrown;
    }
    // Random, so that of several that wait none is always the later one.
    await delay(Math.random() * BUSY_POLL_MAX_MS);
  }
}

/** The low byte of node:sqlite's `errcode`; null when SQLite did not throw this. */
function primaryCode(thrown: unknown): number | null {
  return thrown instanceof Error && "errcode" in thrown && typeof thrown.errcode === "number"
    ? thrown.errcode & 0xff
    : null;
}

function sqliteFailure(thrown: unknown, file: string): RenewalError {
  if (thrown instanceof RenewalError) return thrown;
  const code = primaryCode(thrown);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (code !== null && OUR_MISTAKES.includes(code))
    return new RenewalError("internal.bug", `database ${file}: ${message}`, { cause: thrown });
  const system = thrown instanceof Error && "code" in thrown ? SYSTEM_CODES[String(thrown.code)] : undefined;
  const isDirectory = statSync(file, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const known = system ?? (code === null || isDirectory ? undefined : CODES[code]);
  if (known !== undefined) return new RenewalError(known, `database ${file}: ${message}`, { cause: thrown });
  const advice =
    code === SQLITE_BUSY
      ? `another process has kept it locked for ${BUSY_TIMEOUT_MS} ms; look for a stopped or hanging renewd process`
      : `${message}; check that the path is right and its disk works`;
  return new RenewalError("store.unavailable", `database ${file}: ${advice}`, { cause: thrown });
}
