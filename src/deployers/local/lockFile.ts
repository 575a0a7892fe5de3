import { accessSync, closeSync, constants, lstatSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { RenewalError } from "../../domain/errors.ts";
import { fileError } from "../base/fileError.ts";

const SQLITE_BUSY = 5;
/** SQLite's own words are about a database, which nobody knows this file to be. */
const REASONS: ReadonlyMap<number, string> = new Map([
  [13, "no space left on device (ENOSPC)"],
  [26, "another program wrote it: remove it"],
]);

/**
 * The lock of a file, which is made if it is missing; null: another process holds it. It ends with its holder. Node has
 * no flock(); SQLite's exclusive transaction on an otherwise empty file takes the same kind of lock. `shown`: the path
 * for people.
 */
export function tryLock(path: string, shown: string): Disposable | null {
  try {
    create(path);
    // SQLite would follow a link and create what it points to, wherever that is.
    if (!lstatSync(path).isFile())
      throw new RenewalError("deploy.refused", `lock file ${shown} is not a regular file: remove it`);
    const database = openLock(path);
    try {
      database.exec("BEGIN EXCLUSIVE");
    } catch (error) {
      database.close();
      if (isBusy(error)) return null;
      throw error;
    }
    return { [Symbol.dispose]: () => database.close() };
  } catch (error) {
    throw lockError(error, `lock file ${shown}`);
  }
}

function openLock(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: 0 });
  } catch (error) {
    // SQLite says only that it could not; the system says why.
    accessSync(path, constants.R_OK | constants.W_OK);
    throw error;
  }
}

/** 0600, or any local user could hold the lock. Synchronous: the close would drop a lock that this process holds. */
function create(path: string): void {
  try {
    closeSync(openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600));
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
}

function isBusy(error: unknown): boolean {
  return errcodeOf(error) === SQLITE_BUSY;
}

/** null: SQLite did not throw this. */
function errcodeOf(error: unknown): number | null {
  return error instanceof Error && "errcode" in error ? Number(error.errcode) : null;
}

function lockError(error: unknown, what: string): RenewalError {
  const code = errcodeOf(error);
  if (!(error instanceof Error) || code === null) return fileError(error, what);
  return new RenewalError("deploy.io", `${what}: ${REASONS.get(code & 0xff) ?? error.message}`, { cause: error });
}
