import { accessSync, closeSync, constants, lstatSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { raceAbort } from "../../domain/abort.ts";
import { RenewalError } from "../../domain/errors.ts";
import { fileError } from "../base/fileError.ts";
import type { Directory } from "./directory.ts";

/** The dot keeps servers that read whole directories (HAProxy's `crt <dir>`) from loading it. */
const LOCK_NAME = ".renewd.lock";
const POLL_MS = 20;
/** A process passes the lock on among its own waiters for so long, then pauses so that other processes get it. */
const OWN_TURNS_MAX_MS = 1_000;
const LET_OTHERS_MS = 3 * POLL_MS;
const SQLITE_BUSY = 5;

/**
 * Holds the directory's lock: one writer at a time, among all processes and containers that share the directory, so
 * that nothing happens between the check of the generation and the swap. The lock ends with its holder. A holder that
 * is stopped keeps it, because it may continue.
 *
 * Waiting for one's turn is no failure: it ends only with the signal, whose reason is thrown; a TimeoutError becomes
 * `deploy.timeout`. In this process the first that asks is the first that gets it. `name`: another lock than the
 * directory's own.
 */
export async function lockDirectory(
  directory: Directory,
  signal: AbortSignal,
  name: string = LOCK_NAME,
): Promise<Disposable> {
  const path = join(directory.path, name);
  const turn = await takeTurn(path, signal);
  try {
    for (;;) {
      signal.throwIfAborted();
      const lock = tryLock(directory.at(name), path);
      if (lock !== null) return both(lock, turn);
      await delay(POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  } catch (error) {
    turn[Symbol.dispose]();
    throw asTimeout(error, path);
  }
}

/** The waiters of this process for one lock, each behind the one before it. */
interface Line {
  /** Resolves when the last in the line leaves it. */
  last: Promise<void>;
  length: number;
  /** When this process last gave others a chance, on the monotonic clock. */
  since: number;
}

const lines = new Map<string, Line>();

async function takeTurn(path: string, signal: AbortSignal): Promise<Disposable> {
  const line = lines.get(path) ?? { last: Promise.resolve(), length: 0, since: performance.now() };
  lines.set(path, line);
  const before = line.last;
  const { promise, resolve } = Promise.withResolvers<void>();
  line.last = promise;
  line.length += 1;
  const leave = (): void => {
    line.length -= 1;
    if (line.length === 0) lines.delete(path);
    resolve();
  };
  try {
    await raceAbort(signal, () => before);
    if (performance.now() - line.since > OWN_TURNS_MAX_MS) {
      await delay(LET_OTHERS_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
      line.since = performance.now();
    }
  } catch (error) {
    // The next in the line still waits for the one before.
    void before.then(leave);
    throw asTimeout(error, path);
  }
  return { [Symbol.dispose]: leave };
}

function both(lock: Disposable, turn: Disposable): Disposable {
  return {
    [Symbol.dispose]() {
      lock[Symbol.dispose]();
      turn[Symbol.dispose]();
    },
  };
}

/** An attempt that used up its whole time in the line: a stopped process may hold the lock. */
function asTimeout(error: unknown, path: string): unknown {
  if (!(error instanceof Error && error.name === "TimeoutError")) return error;
  return new RenewalError(
    "deploy.timeout",
    `the lock ${path} was not free before the time limit: another process of renewd holds it; end it if it is stopped`,
    { cause: error },
  );
}

// Node has no flock(); SQLite's exclusive transaction on an otherwise empty file takes the same kind of lock.
function tryLock(path: string, shown: string): Disposable | null {
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
    throw fileError(error, `lock file ${shown}`);
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
  return error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY;
}
