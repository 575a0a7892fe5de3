import { hostname } from "node:os";
import { dirname } from "node:path";
import type { Config } from "../config/config.ts";
import type { Clock } from "../domain/clock.ts";
import { toRenewalError } from "../domain/errors.ts";
import { BEAT_MS, type Heartbeat, type ProcessProblem, type ProcessProblemKind } from "../domain/heartbeat.ts";
import { CLOCK_SKEW_MAX_MS } from "../domain/lease.ts";
import type { Log } from "../domain/log.ts";
import type { Role } from "../domain/role.ts";
import type { Store } from "../domain/store.ts";
import { DAY_MS } from "../domain/time.ts";
import { workerName } from "../domain/workerName.ts";
import { redisPings } from "../queue/check.ts";
import type { RedisOptions } from "../queue/options.ts";
import { configurationDigest } from "./applied.ts";
import { type DirectoryMark, directoryMark } from "./directoryMark.ts";
import { fullDisk } from "./disk.ts";
import { packageVersion } from "./packageVersion.ts";

/** A process that has been silent for longer is no longer listed. */
const FORGOTTEN_MS = 7 * DAY_MS;

export interface BeatOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly redis: RedisOptions;
  readonly config: Config;
  readonly roles: readonly Role[];
  readonly agentOf: readonly string[];
  readonly vantage: string | null;
  readonly everyMs?: number;
}

export interface ProblemNote {
  readonly message: string;
  /** One imperative sentence. */
  readonly action: string;
}

/** Reports to the database that this process runs, and what is wrong with it. */
export interface Beats {
  /** The role has finished work. */
  useful(role: Role): void;
  /** `problem` null: it is over. `of` tells several problems of one kind apart. */
  note(kind: ProcessProblemKind, problem: ProblemNote | null, of?: string): void;
  /** After a reload. */
  configured(config: Config): void;
  /** Reports now. */
  beat(): Promise<void>;
  /** Reports that the process ended in order. */
  close(): Promise<void>;
}

export function startBeats(options: BeatOptions): Beats {
  const { store, clock, log, redis, roles, agentOf, vantage, everyMs = BEAT_MS } = options;
  let { config } = options;
  const startedAt = clock.now();
  const usefulAt = new Map<Role, number>();
  const problems = new Map<string, ProcessProblem>();
  let isReported = true;
  let running: Promise<void> | null = null;

  const note: Beats["note"] = (kind, problem, of = "") => {
    const key = `${kind} ${of}`;
    const since = problems.get(key)?.since ?? clock.now();
    if (problem === null) problems.delete(key);
    else problems.set(key, { kind, ...problem, since });
  };
  let mark: DirectoryMark | null = null;
  const noteDirectory = async (): Promise<void> => {
    mark ??= directoryMark(config.dataDir, await store.health.installation(), config.file);
    note("directory", await mark.check());
  };
  let pings: ReturnType<typeof redisPings> | null = null;
  const look = async (): Promise<void> => {
    pings ??= redisPings(redis);
    // What keeps it from being marked is a problem of its own, and reported where it hurts.
    await noteDirectory().catch(() => {});
    const [redisProblem, disk] = await Promise.all([
      pings.ping().then(() => null, toRenewalError),
      fullDisk(directoriesOf(config)),
    ]);
    note("redis", redisProblem && { message: redisProblem.message, action: redisProblem.facts.action });
    note(
      "disk",
      disk && { message: disk.message, action: `Free space there: \`du -xh ${disk.directory} | sort -h\`.` },
    );
  };
  const write = async (stoppedAt: number | null): Promise<void> => {
    const now = clock.now();
    const beat = (role: Role): Heartbeat => ({
      process: workerName(),
      role,
      host: hostname(),
      version: packageVersion,
      digest: configurationDigest(config),
      configFile: config.file,
      targets: agentOf,
      vantage: role === "verifier" ? vantage : null,
      startedAt,
      beatAt: now,
      usefulAt: usefulAt.get(role) ?? null,
      stoppedAt,
      problems: stoppedAt === null ? [...problems.values()] : [],
    });
    try {
      await store.health.beat(roles.map(beat));
      isReported = true;
    } catch (thrown) {
      // Each role logs what it cannot do without the database; this says once that `status` does not see the process.
      if (isReported) log.warn({ err: toRenewalError(thrown) }, "cannot report to the database that this process runs");
      isReported = false;
    }
  };
  const beat = (): Promise<void> => {
    running ??= look()
      .then(() => write(null))
      .finally(() => {
        running = null;
      });
    return running;
  };
  const timer = setInterval(() => void beat(), everyMs);
  // A process that died with a clock ahead would count as reporting until the right clock has caught up.
  const outside = { before: startedAt - FORGOTTEN_MS, after: startedAt + CLOCK_SKEW_MAX_MS };
  void store.health.forgetBeats(outside).catch(() => {}); // The next start forgets them.
  return {
    useful: (role) => void usefulAt.set(role, clock.now()),
    note,
    configured(next) {
      config = next;
    },
    beat,
    async close() {
      clearInterval(timer);
      await running;
      await pings?.[Symbol.asyncDispose]();
      await mark?.close().catch(() => {}); // It counts for nothing once it is old.
      await write(clock.now());
    },
  };
}

function directoriesOf({ dataDir, store }: Config): string[] {
  return store.kind === "sqlite" ? [dataDir, dirname(store.file)] : [dataDir];
}
