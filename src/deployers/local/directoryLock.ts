import { closeSync, constants, lstatSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { RenewalError } from "../../domain/errors.ts";
import { fileError } from "../base/fileError.ts";
import type { Directory } from "./directory.ts";

/** The dot keeps servers that read whole directories (HAProxy's `crt <dir>`) from loading it. */
const LOCK_NAME = ".renewd.lock";
const POLL_MS = 20;
const WAIT_MAX_MS = 10_000;
const SQLITE_BUSY = 5;

/**
 * Holds the directory's lock: one writer at a time, over processes and containers that share it, so that nobody gets between
 * the check of the generation and the swap. The lock dies with its holder; a holder that is only stopped keeps it, which is
 * right: it may go on. Throws `deploy.timeout` when it is not to be had within 10 s. A `name` of its own locks less than all of it.
 */
export async function lockDirectory(
  directory: Directory,
  signal: AbortSignal,
  name: string = LOCK_NAME,
): Promise<Disposable> {
  const path = directory.at(name);
  const deadline = performance.now() + WAIT_MAX_MS;
  for (;;) {
    const lock = tryLock(path, join(directory.path, name));
    if (lock !== null) return lock;
    if (performance.now() > deadline) {
      throw new RenewalError(
        "deploy.timeout",
        `another process of renewd has been writing to ${directory.path} for more than ${WAIT_MAX_MS / 1000} s`,
      );
    }
    await delay(POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

// Node has no flock(); SQLite's exclusive transaction on an otherwise empty file takes the same kind of lock.
function tryLock(path: string, shown: string): Disposable | null {
  try {
    create(path);
    // SQLite would follow a link and create what it points to, wherever that is.
    if (!lstatSync(path).isFile())
      throw new RenewalError("deploy.refused", `lock file ${shown} is no regular file: remove it`);
    const database = new DatabaseSync(path, { timeout: 0 });
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

/** 0600, or any local user could hold the lock. Synchronous up to the close, which would drop a lock this process had taken. */
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
