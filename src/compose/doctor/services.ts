import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import { latestVersions } from "../../domain/latestVersions.ts";
import { CLOCK_SKEW_MAX_MS } from "../../domain/lease.ts";
import type { Store } from "../../domain/store.ts";
import { formatDuration } from "../../domain/time.ts";
import { checkRedis, type RedisFacts, redisTime } from "../../queue/check.ts";
import { isSilence } from "../../queue/failure.ts";
import { describeRedis, type RedisOptions } from "../../queue/options.ts";
import { privateRedisSocket } from "../../queue/socketPath.ts";
import type { DoctorCheck } from "../../reports/doctor.ts";
import type { NoticeKind } from "../../reports/notices.ts";
import { isMissing } from "../../store/index.ts";
import { privateRedisDirectory, redisOf } from "../app.ts";
import { checkPrivateRedis } from "../surroundings.ts";
import { trustSystemAuthorities } from "../systemTrust.ts";
import { failed, failedWith, notChecked, passed, warning } from "./check.ts";
import type { Patient } from "./patient.ts";

/** Kinds of what opening the database finds that are about the database. */
const DATABASE_NOTICES: readonly NoticeKind[] = ["database", "key"];

/** Whether it opens, has this release's tables and the right key, and whether each certificate's row can be read. */
export async function checkDatabase({ viewer, config }: Patient): Promise<DoctorCheck[]> {
  const subject = config === null ? "database" : config.store.kind === "sqlite" ? config.store.file : "PostgreSQL";
  if (!("store" in viewer)) {
    // A wrong file is the configuration's finding.
    return viewer.code === "config.invalid"
      ? [notChecked("database", subject, "the configuration does not say where it is")]
      : [failedWith("database", subject, viewer)];
  }
  const found = viewer.found
    .filter(({ kind }) => DATABASE_NOTICES.includes(kind))
    .map(({ what, action, needsPerson }) =>
      needsPerson ? failed("database", subject, what, action) : warning("database", subject, what, action),
    );
  const { store } = viewer;
  const unreadable: DoctorCheck[] = [];
  await store.certificates.list();
  const versions = latestVersions(store, ({ certificate, generation, message }) =>
    unreadable.push(
      failed(
        "database",
        `certificate ${certificate}`,
        `generation ${generation} cannot be read: ${message}`,
        "`renewd audit verify` names every row that was changed or damaged; `renewd restore` brings a backup back.",
      ),
    ),
  );
  for await (const _ of versions);
  const checks = [...found, ...unreadable];
  return checks.length > 0
    ? checks
    : [
        passed("database", subject, "opens, has this release's tables and the right key"),
        ...(await ofServer(viewer.store)),
      ];
}

/** Of the database server; the embedded one is part of Node. */
async function ofServer(store: Store): Promise<DoctorCheck[]> {
  const version = await store.serverVersion();
  if (version === null) return [];
  if (Number.parseInt(version, 10) >= POSTGRESQL_MAJOR_MIN)
    return [passed("database", "PostgreSQL", `version ${version}`)];
  const message = `version ${version} gets no corrections any more`;
  return [warning("database", "PostgreSQL", message, `Upgrade it to ${POSTGRESQL_MAJOR_MIN} or later (pg_upgrade).`)];
}

const DISK_FIX = "Free its disk and see its log: until it can write, it takes no job.";
const NO_AOF = "keeps no append-only file: a renewal that was just asked for is forgotten when it restarts";
const AOF_FIX = "Set `appendonly yes`. All other jobs are derived from the database again.";
/** Older ones get no corrections any more (postgresql.org/support/versioning). */
const POSTGRESQL_MAJOR_MIN = 14;

/** Version and eviction policy; a private one that does not run is started by `renewd run`. */
export async function checkQueue({ config }: Patient, signal: AbortSignal): Promise<DoctorCheck[]> {
  if (config === null) return [];
  const redis = redisOf(config);
  const subject = `Redis ${describeRedis(redis)}`;
  if (config.redis === null) {
    try {
      await checkPrivateRedis(config);
    } catch (thrown) {
      return [
        {
          ...failedWith("redis", subject, thrown),
          fix: "Install it (Debian: `apt-get install redis-server`), or set `redis` to one that runs.",
        },
      ];
    }
    try {
      if (isMissing(privateRedisSocket(privateRedisDirectory(config))))
        return [passed("redis", subject, "redis-server is installed; `renewd run` starts it")];
    } catch (thrown) {
      return [notChecked("redis", subject, toRenewalError(thrown).message)];
    }
  }
  if (redis.tls !== undefined) trustSystemAuthorities();
  try {
    const { version, maxmemoryPolicy, appendsToFile, diskProblem } = await askRedis(redis, signal);
    const persistence = [
      ...(diskProblem === null ? [] : [failed("redis", subject, diskProblem, DISK_FIX)]),
      ...(appendsToFile === false ? [warning("redis", subject, NO_AOF, AOF_FIX)] : []),
    ];
    const policy =
      maxmemoryPolicy === null
        ? [
            warning(
              "redis",
              subject,
              `version ${version}; it does not show its maxmemory-policy to this user`,
              "Make sure that it is noeviction: any other policy drops jobs when memory is short.",
            ),
          ]
        : [passed("redis", subject, `version ${version}, maxmemory-policy ${maxmemoryPolicy}`)];
    return [...policy, ...persistence];
  } catch (thrown) {
    return [failedWith("redis", subject, thrown)];
  }
}

/** For a machine so busy that the answer waits, or this very process. */
const BUSY_MS = 10_000;

/** Silence may come of a busy machine: it is asked once more, for longer, before somebody reads that Redis is away. */
async function askRedis(redis: RedisOptions, signal: AbortSignal): Promise<RedisFacts> {
  try {
    return await checkRedis(redis, signal);
  } catch (thrown) {
    signal.throwIfAborted();
    if (!(thrown instanceof RenewalError) || !isSilence(thrown)) throw thrown;
    return await checkRedis(redis, signal, BUSY_MS);
  }
}

/** This machine's clock beside those of the CAs, the database server and Redis. */
export async function checkClock(
  { config, viewer, clock }: Patient,
  cas: readonly { readonly witness: string; readonly aheadMs: number | null }[],
): Promise<DoctorCheck[]> {
  const witnesses = [...cas];
  if ("store" in viewer && config?.store.kind === "postgresql") {
    const time = await viewer.store.serverTime().catch(() => null);
    witnesses.push({ witness: "the database server", aheadMs: time === null ? null : time - clock.now() });
  }
  if (config !== null) {
    const answer = await redisTime(redisOf(config), clock.now).catch(() => null);
    if (answer !== null) witnesses.push({ witness: `Redis on ${answer.host}`, aheadMs: answer.aheadMs });
  }
  const known = witnesses.flatMap(({ witness, aheadMs }) => (aheadMs === null ? [] : [{ witness, aheadMs }]));
  if (known.length === 0)
    return [notChecked("clock", "clock", "no CA, database server or Redis elsewhere gave the time")];
  const wrong = known.filter(({ aheadMs }) => Math.abs(aheadMs) > CLOCK_SKEW_MAX_MS);
  if (wrong.length === 0) return [passed("clock", "clock", `as ${known.map(({ witness }) => witness).join(", ")}`)];
  return wrong.map(({ witness, aheadMs }) => {
    const by = formatDuration(Math.abs(aheadMs));
    const message = `${by} ${aheadMs > 0 ? "behind" : "ahead of"} ${witness}`;
    return {
      ...failed("clock", "clock", message, "Set this machine's time (NTP), or that one's if it is the wrong one."),
      code: "clock.skewed",
    };
  });
}
