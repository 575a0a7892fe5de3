import { chmod, lstat, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { RenewalError } from "../domain/errors.ts";
import { ownerFault, processUser } from "../domain/ownership.ts";
import { probeRedis, redisGone, redisHangs, type ServerProcess, shutDownRedis, spawnRedis } from "./serverProcess.ts";
import { locationFile, privateRedisSocket } from "./socketPath.ts";

export { privateRedisSocket } from "./socketPath.ts";

const RESTART_FIRST_MS = 100;
const RESTART_MAX_MS = 5_000;
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const PING_MS = 10_000;
/** Having run this long, it starts again without delay. */
const STEADY_MS = 60_000;

export interface PrivateRedisOptions {
  /** Holds its data, log and socket; made 0700. */
  readonly directory: string;
  /** Default `redis-server` from PATH. */
  readonly binary?: string;
  /** What it gets of the environment: none of renewd's secrets. Default: `PATH` as systemd sets it. */
  readonly environment?: Readonly<Record<string, string>>;
  /** How often it is asked whether it answers, and how long it has for that. Default: 10 s. */
  readonly pingMs?: number;
  /** It died while we run, or could not be started again; the next start comes in `restartInMs`. */
  readonly onExit?: (exit: { readonly reason: string; readonly restartInMs: number }) => void;
}

export interface PrivateRedis {
  /** Its unix socket: it listens nowhere else. */
  readonly path: string;
  /** True when one was still running, left behind by a killed process. */
  readonly adopted: boolean;
  /**
   * Stops it, adopted or not, with its data on disk. `inUse`: another process needs one that was adopted, so it stays.
   */
  stop(inUse?: boolean): Promise<void>;
}

/**
 * The private redis-server for `renewd run` without `redis.url`: unix socket only, AOF, noeviction, restarted when it
 * dies.
 */
export async function startPrivateRedis(options: PrivateRedisOptions): Promise<PrivateRedis> {
  const { directory, binary = "redis-server", environment = { PATH }, pingMs = PING_MS, onExit } = options;
  const path = await prepareDirectories(directory);
  let stopping = false;
  let stopped: Promise<void> | null = null;
  let server: ServerProcess | null = null;
  const state = await probeRedis(path);
  if (state === "silent") {
    throw new RenewalError(
      "queue.unavailable",
      `The private Redis at ${path} is running but does not answer: end its process, then start again`,
    );
  }
  const adopted = state === "alive";
  if (!adopted) server = await spawnRedis({ binary, directory, path, environment });

  const wake = new AbortController();
  const watching = watch();

  async function watch(): Promise<void> {
    let restartInMs = RESTART_FIRST_MS;
    for (;;) {
      const since = performance.now();
      const reason = server === null ? await redisGone(path, wake.signal) : await endOf(server);
      if (stopping) return;
      if (performance.now() - since > STEADY_MS) restartInMs = RESTART_FIRST_MS;
      restartInMs = await startAgain(reason, restartInMs);
      if (stopping) return;
    }
  }

  /** One that hangs is killed: what it answered is in its file, and the rest is in the database. */
  async function endOf({ exited, kill }: ServerProcess): Promise<string> {
    const over = new AbortController();
    let isHanging = false;
    const hanging = redisHangs(path, pingMs, over.signal).then(
      () => {
        isHanging = true;
        kill();
      },
      () => {}, // It has ended.
    );
    const reason = await exited;
    over.abort();
    await hanging;
    return isHanging ? `it did not answer and was killed (${reason})` : reason;
  }

  /** Returns the delay before the next start, should it die again soon. */
  async function startAgain(firstReason: string, firstInMs: number): Promise<number> {
    let reason = firstReason;
    let restartInMs = firstInMs;
    while (!stopping) {
      onExit?.({ reason, restartInMs });
      await delay(restartInMs, undefined, { signal: wake.signal }).catch(() => {});
      restartInMs = Math.min(restartInMs * 2, RESTART_MAX_MS);
      if (stopping) break;
      try {
        server = await spawnRedis({ binary, directory, path, environment });
        break;
      } catch (error) {
        reason = error instanceof Error ? error.message : String(error);
      }
    }
    return restartInMs;
  }

  async function stop(inUse: boolean): Promise<void> {
    stopping = true;
    wake.abort();
    if (server === null && !inUse) await shutDownRedis(path);
    await server?.stop();
    await watching;
    // A start was under way when stop() came.
    await server?.stop();
  }

  return {
    path,
    adopted,
    stop(inUse = false) {
      stopped ??= stop(inUse);
      return stopped;
    },
  };
}

/** Returns the socket's path. No other user may write to its directory: who owns it owns the queue. */
async function prepareDirectories(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await refuseForeign(directory);
  await chmod(directory, 0o700);
  const path = privateRedisSocket(directory);
  if (dirname(path) !== dirname(join(directory, "redis.sock"))) {
    await writeFile(locationFile(directory), `${path}\n`, { mode: 0o600 });
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const found = await lstat(dirname(path));
    if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o077) !== 0) {
      throw new RenewalError(
        "queue.unavailable",
        `${dirname(path)} is not a directory that only renewd's user can use: remove it, or choose a shorter ` +
          "state directory",
      );
    }
  }
  return path;
}

/** Before its mode is changed: a link would have its target changed. */
async function refuseForeign(directory: string): Promise<void> {
  const found = await lstat(directory);
  if (!found.isDirectory())
    throw new RenewalError("store.exposed", `${directory} is no directory but a link or a file; run: rm ${directory}`);
  const user = processUser();
  const fault = user && ownerFault(directory, found, user);
  if (fault !== null) throw new RenewalError("store.exposed", fault);
}
