import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { raceAbort } from "../../domain/abort.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Directory } from "./directory.ts";
import { tryLock } from "./lockFile.ts";

/** The dot keeps servers that read whole directories (HAProxy's `crt <dir>`) from loading it. */
const LOCK_NAME = ".renewd.lock";
const POLL_MS = 20;
/** A process passes the lock on among its own waiters for so long, then pauses so that other processes get it. */
const OWN_TURNS_MAX_MS = 1_000;
const LET_OTHERS_MS = 3 * POLL_MS;

export interface LockOptions {
  /** Another lock than the directory's own. */
  readonly name?: string;
  /** The paths of all that the caller writes, checks or removes: others of this process may do so with other paths. */
  readonly files?: readonly string[];
}

/**
 * Holds the directory's lock: one writer at a time, among all processes and containers that share the directory, so
 * that nothing happens between the check of the generation and the swap. Only within this process those share it whose
 * `files` have nothing in common. The lock ends with its holder. A holder that is stopped keeps it, because it may
 * continue.
 *
 * Waiting for one's turn is no failure: it ends only with the signal, whose reason is thrown; a TimeoutError becomes
 * `deploy.timeout`. In this process the first that asks is the first that gets it.
 */
export async function lockDirectory(
  directory: Directory,
  signal: AbortSignal,
  { name = LOCK_NAME, files }: LockOptions = {},
): Promise<Disposable> {
  const path = join(directory.path, name);
  const line = lineFor(path);
  const before = line.last;
  const placed = Promise.withResolvers<void>();
  line.last = placed.promise;
  line.length += 1;
  try {
    await raceAbort(signal, () => before);
    await raceAbort(signal, () => left(line, files));
    await letOthers(line, signal);
    while (line.held === null) {
      signal.throwIfAborted();
      const lock = tryLock(directory.at(name), path);
      if (lock === null) await delay(POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
      else line.held = { lock, since: performance.now() };
    }
  } catch (error) {
    // The next in the line still waits for the one before.
    void before.then(placed.resolve);
    leave(line, path);
    throw asTimeout(error, path);
  }
  const { promise, resolve } = Promise.withResolvers<void>();
  const holder: Holder = { files, left: promise };
  line.holders.add(holder);
  placed.resolve();
  return {
    [Symbol.dispose]() {
      if (!line.holders.delete(holder)) return;
      leave(line, path);
      resolve();
    },
  };
}

interface Holder {
  /** undefined: everything. */
  readonly files: readonly string[] | undefined;
  readonly left: Promise<void>;
}

/** Those of this process that hold one lock or wait for it, each behind the one before it. */
interface Line {
  /** Resolves when the one who asked last holds it, or gave up. */
  last: Promise<void>;
  /** Waiters and holders. */
  length: number;
  readonly holders: Set<Holder>;
  /** `since`: on the monotonic clock. null: this process does not have it. */
  held: { readonly lock: Disposable; readonly since: number } | null;
}

const lines = new Map<string, Line>();

function lineFor(path: string): Line {
  const line = lines.get(path) ?? { last: Promise.resolve(), length: 0, holders: new Set(), held: null };
  lines.set(path, line);
  return line;
}

function leave(line: Line, path: string): void {
  line.length -= 1;
  if (line.length > 0) return;
  lines.delete(path);
  line.held?.lock[Symbol.dispose]();
}

/** Resolves when no holder has any of these files. */
async function left({ holders }: Line, files: Holder["files"]): Promise<void> {
  const inTheWay = [...holders].filter(
    (one) => files === undefined || one.files === undefined || one.files.some((file) => files.includes(file)),
  );
  await Promise.all(inTheWay.map((one) => one.left));
}

async function letOthers(line: Line, signal: AbortSignal): Promise<void> {
  if (line.held === null || performance.now() - line.held.since <= OWN_TURNS_MAX_MS) return;
  await raceAbort(signal, () => left(line, undefined));
  line.held.lock[Symbol.dispose]();
  line.held = null;
  await delay(LET_OTHERS_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
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
