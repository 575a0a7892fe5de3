import { statSync } from "node:fs";
import { chmod, mkdir, open, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { type Kysely, type Dialect as KyselyDialect, SqliteAdapter, SqliteIntrospector } from "kysely";
import { RenewalError } from "../../domain/errors.ts";
import type { ErrorCode } from "../../domain/errorTable.ts";
import { type Source, StoreDriver, type TransactionScope } from "./driver.ts";
import { refuseExposed, refuseLinks } from "./exposed.ts";
import { type DataSync, LogSync } from "./logSync.ts";
import { SnakeCaseSqlite } from "./names.ts";
import { SharedCommit } from "./sharedCommit.ts";
import { BUSY_TIMEOUT_MS, Connection, LoopTurn, primaryCode, SQLITE_BUSY, whileBusy } from "./sqliteConnection.ts";
import { wholeTurn, wireOver } from "./sqliteWire.ts";

/** Primary result codes that mean a mistake in our statements (sqlite.org/rescode.html). */
const OUR_MISTAKES: readonly number[] = [1, 19, 20, 21, 25]; // ERROR, CONSTRAINT, MISMATCH, MISUSE, RANGE
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

export function sqliteDialect(source: Source, scope: TransactionScope): KyselyDialect {
  return {
    createDriver: () => new StoreDriver(source, scope),
    createQueryCompiler: () => new SnakeCaseSqlite(),
    createAdapter: () => new TransactionalSqliteAdapter(),
    createIntrospector: (db: Kysely<unknown>) => new SqliteIntrospector(db),
  };
}

/** Kysely asks for inheritance here. SQLite's DDL is transactional: two first starts at once are safe. */
class TransactionalSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
  /** Turns are taken behind the check for use inside an own transaction. */
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

/**
 * The embedded database: one connection that writes and one that reads, each used in turns; rows of other processes are
 * seen as soon as committed.
 */
export async function sqliteSource(path: string, dataSync?: DataSync): Promise<Source> {
  const file = resolve(path);
  const failure = (thrown: unknown): RenewalError => sqliteFailure(thrown, file);
  try {
    await prepareFile(file);
    const database = await openDatabase(file);
    const openReader = () => new DatabaseSync(file, { timeout: 0, readOnly: true });
    return { where: file, ...inTurns(database, openReader, new LogSync(`${file}-wal`, dataSync)), failure };
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
    return { where: file, ...inTurns(openToRead(file), null, null), failure };
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
  return { where: "memory", ...inTurns(database, null, null), failure: (thrown) => sqliteFailure(thrown, ":memory:") };
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
    // Every commit is synced nevertheless: see LogSync.
    await whileBusy(() => database.exec("pragma synchronous = normal"));
    return database;
  } catch (thrown) {
    database.close();
    throw thrown;
  }
}

/** Reads get a connection of their own where there is a file to open once more. */
function inTurns(
  database: DatabaseSync,
  openReader: (() => DatabaseSync) | null,
  log: LogSync | null,
): Omit<Source, "where" | "failure"> {
  const loopTurn = new LoopTurn();
  const reads = openReader === null ? null : new Connection(openReader, loopTurn);
  // A changed schema ends the plans of both.
  const writes = new SharedCommit(
    new Connection(
      () => database,
      loopTurn,
      () => reads?.forgetPlans(),
    ),
    log,
  );
  return {
    connect: async () => wireOver(writes, reads),
    async close() {
      // The last connection to close removes the journal, which one that only reads cannot.
      const giveUp = await wholeTurn(writes, reads);
      if (database.isOpen) database.close();
      giveUp();
    },
  };
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
