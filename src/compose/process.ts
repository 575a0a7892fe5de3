import type { Config, TracingConfig } from "../config/config.ts";
import { processEnvironment } from "../config/read/environment.ts";
import { nothingKnown } from "../config/read/known.ts";
import { RenewalError, toRenewalError } from "../domain/errors.ts";
import type { Log } from "../domain/log.ts";
import { workerName } from "../domain/workerName.ts";
import { createLog } from "../log.ts";
import { checkRedis, pingRedis } from "../queue/check.ts";
import { describeRedis, type RedisOptions } from "../queue/options.ts";
import { type PrivateRedis, startPrivateRedis } from "../queue/privateRedis.ts";
import type { Tracing } from "../queue/tracing.ts";
import type { Context } from "../renewal/context.ts";
import { type InUse, surveyFirstRun } from "../renewal/plan/firstRun.ts";
import { DEFAULT_SETTINGS } from "../renewal/rules/settings.ts";
import { type App, appOf, privateRedisDirectory, redisOf } from "./app.ts";
import { type Beats, startBeats } from "./beats.ts";
import { systemClock } from "./clock.ts";
import { catchFaults } from "./faults.ts";
import { followDefinitions } from "./followDefinitions.ts";
import { type LoadWatch, watchLoad } from "./load.ts";
import { packageVersion } from "./packageVersion.ts";
import { checkAgent, vantageOf } from "./processPart.ts";
import { loadConfigOrExplain, readerOf } from "./reader.ts";
import { recordReloads } from "./recordReloads.ts";
import { logRedisOutageOnce } from "./redisOutage.ts";
import { logNotes, reloader } from "./reload.ts";
import { holdReloads, type Reloads } from "./reloads.ts";
import { RENEWAL_ROLES, type Role } from "./roleNames.ts";
import { roleSettingsOf } from "./roleSettings.ts";
import { startRole } from "./roles.ts";
import { siblings } from "./siblings.ts";
import { createSupervisor, type Supervisor } from "./supervisor.ts";
import { trustSystemAuthorities } from "./systemTrust.ts";
import { watchHistory } from "./watchHistory.ts";

const REDIS_RETRY_MS = 1_000;
/** If anything hangs, the process ends all the same: another process, or the next start, resumes its work. */
const STOP_TIMEOUT_MS = 10_000;

/** What an entry point adds to its configuration file. */
export interface RunOptions {
  readonly roles: readonly Role[];
  /** Deploy to these targets alone. */
  readonly agentOf?: readonly string[];
  /** The network that its verifier dials from. Absent: RENEWD_VANTAGE, else what the configuration says. */
  readonly vantage?: string;
  /**
   * Asked at the first run of a new estate when endpoints already serve certificates for its names, or may. True: order
   * and replace them. False: they are held until a person decides; see `surveyFirstRun`. Absent: nothing is surveyed.
   */
  readonly onPairsInUse?: (inUse: InUse) => Promise<boolean>;
  /** Held since before this module was loaded. */
  readonly reloads?: Reloads;
}

/**
 * Runs roles until SIGTERM or SIGINT; SIGHUP reloads the configuration. Throws what makes starting impossible.
 * Resolves with the exit code: 0 for an orderly stop, 1 when faults went on and a new process should take over.
 */
export async function runRoles(
  configFile: string,
  { roles: asked, agentOf = [], vantage: asVantage, onPairsInUse, reloads = holdReloads() }: RunOptions,
): Promise<number> {
  const stop = stopSignals();
  trustSystemAuthorities();
  const known = nothingKnown();
  const config = await loadConfigOrExplain(configFile, { known });
  const roles = rolesOf(asked, config);
  const issues = roles.includes("planner") || roles.includes("acme");
  checkAgent(config, agentOf);
  const isVerifier = roles.includes("verifier");
  const vantage = isVerifier ? vantageOf(config, asVantage) : null;
  const logger = createLog({ level: config.log.level, pretty: process.stderr.isTTY === true });
  const ping = (): Promise<void> => pingRedis(redisOf(config));
  const log = logRedisOutageOnce({ log: logger, clock: systemClock, ping, signal: stop.signal });
  logNotes(config, log);
  let privateRedis: PrivateRedis | null = null;
  let supervisor: Supervisor | null = null;
  let app: App | null = null;
  let load: LoadWatch | null = null;
  let beats: Beats | null = null;
  let history: { close(): Promise<void> } | null = null;
  let tracing: Tracing | null = null;
  let exitCode = 0;
  const following = new AbortController();
  const faults = catchFaults((fault) => {
    if (supervisor !== null) return supervisor.fault(fault);
    log.error({ err: fault.thrown }, "internal fault while starting: the process ends");
    process.exit(1);
  });
  try {
    // A process that claims work must notice within its lease that the database does not answer.
    const reader = await readerOf(config, { answerTimeoutMs: DEFAULT_SETTINGS.leaseMs });
    beats = startBeats({ ...reader, log, redis: redisOf(config), roles, agentOf, vantage });
    privateRedis = await privateRedisFor(config, roles, log);
    if (privateRedis?.adopted) await noteSiblings(reader, log);
    if (config.tracing !== null) tracing = await traced(config.tracing);
    app = appOf(reader, { ...redisOf(config), ...(tracing && { telemetry: tracing.telemetry }) }, log, issues);
    void beats.beat();
    await redisReady(app.redis, log, stop.signal);
    if (onPairsInUse !== undefined) await surveyFirstRun(app.context, onPairsInUse, stop.signal);
    const { redis } = app;
    const { store, clock, settings: renewal } = app.context;
    load = watchLoad({
      leaseMs: renewal.leaseMs,
      log,
      onChange: ({ kind, jobs, max }) => {
        const event = {
          at: clock.now(),
          certificate: null,
          renewalId: null,
          target: null,
          detail: { kind, jobs, max },
        };
        store.events
          .append({ ...event, type: "worker.concurrency" })
          .catch((thrown: unknown) => log.error({ err: toRenewalError(thrown) }, "event not written"));
      },
    });
    const own = { ...(vantage !== null && { vantage }), isVerifier, rooms: {} };
    const context = { ...app.context, ...own, leaseRenewed: load.leaseRenewed };
    const watched = load;
    const reports = beats;
    const ofProcess = { agentOf, load: watched, useful: reports.useful, note: reports.note };
    let settings = { ...roleSettingsOf(config), ...ofProcess };
    const supervised = createSupervisor({
      ...context,
      start: (role) => startRole(role, context, redis, settings),
      note: (role, error) =>
        reports.note(
          "role",
          error && { message: `the ${role} cannot start: ${error.message}`, action: error.facts.action },
          role,
        ),
    });
    supervisor = supervised;
    history = watchHistory(context, config.dataDir);
    await supervised.start(roles);
    const running = app;
    const recorder = recordReloads(running, reports, roles);
    await recorder.started();
    const { inForce, reload } = reloader({
      started: config,
      log,
      load: () => loadConfigOrExplain(config.file, { known }),
      replace: running.replace,
      onEnd: recorder.ended,
      apply(next) {
        logger.level = next.log.level;
        settings = { ...roleSettingsOf(next), ...ofProcess };
        return supervised.reloaded(settings);
      },
    });
    reloads.serve(() => void reload());
    const follow = { store, clock, log, inForce: () => inForce().storedRevision, reload };
    void followDefinitions(follow, AbortSignal.any([stop.signal, following.signal]));
    log.info({ roles: [...roles], redis: describeRedis(redis) }, "renewd is running");
    await Promise.race([stop.asked, supervised.gaveUp.then(() => (exitCode = 1))]);
    log.info({}, "stopping: finishing what is running");
  } catch (thrown) {
    if (!stop.signal.aborted) throw thrown;
  } finally {
    following.abort();
    const closing = closeAll({ supervisor, beats, history, app, privateRedis, tracing });
    const timeout = setTimeout(() => {
      log.warn({}, "not everything finished in time; it is resumed at the next start");
      process.exit(exitCode);
    }, STOP_TIMEOUT_MS).unref();
    await closing;
    clearTimeout(timeout);
    log.info({ roles: [...roles] }, "stopped");
    load?.close();
    faults.close();
  }
  return exitCode;
}

/** Who starts the web role by itself wants it. */
function rolesOf(asked: readonly Role[], { web }: Config): readonly Role[] {
  return asked.length === 1 || web.enabled ? asked : asked.filter((role) => role !== "web");
}

interface Running {
  readonly supervisor: Supervisor | null;
  readonly beats: Beats | null;
  readonly history: { close(): Promise<void> } | null;
  readonly app: App | null;
  readonly privateRedis: PrivateRedis | null;
  readonly tracing: Tracing | null;
}

async function closeAll({ supervisor, beats, history, app, privateRedis, tracing }: Running): Promise<void> {
  await supervisor?.close();
  const isShared = privateRedis?.adopted === true && app !== null && (await othersRun(app.context));
  await beats?.close();
  await history?.close();
  await app?.close();
  await tracing?.close();
  await privateRedis?.stop(isShared);
}

/** A second `renewd run` of one installation shares its work, and often was not meant. */
async function noteSiblings({ store, clock }: Pick<Context, "store" | "clock">, log: Log): Promise<void> {
  const others = await siblings(store.health, clock.now());
  if (others.length > 0)
    log.warn({ others }, "renewd runs here already: this process shares its work and its private Redis");
}

/** Where nobody can say, nobody does. */
async function othersRun({ store, clock }: Pick<Context, "store" | "clock">): Promise<boolean> {
  return (await siblings(store.health, clock.now()).catch(() => [])).length > 0;
}

/** Loaded only where it is configured. */
async function traced(options: TracingConfig): Promise<Tracing> {
  const { startTracing } = await import("../queue/tracing.ts");
  return startTracing({ ...options, version: packageVersion, process: workerName() });
}

/** One process with every role brings its own Redis; separate workers need one they share. */
async function privateRedisFor(config: Config, roles: readonly Role[], log: Log): Promise<PrivateRedis | null> {
  if (config.redis !== null) return null;
  if (!RENEWAL_ROLES.every((role) => roles.includes(role))) {
    throw new RenewalError(
      "config.invalid",
      `${config.file}: redis is missing; separate workers need a Redis they share: set redis.url`,
    );
  }
  const directory = privateRedisDirectory(config);
  const onExit = (exit: object): void => log.error({ ...exit }, "private Redis died; starting it again");
  const redis = await startPrivateRedis({ directory, environment: redisEnvironment(), onExit });
  log.info({ path: redis.path, adopted: redis.adopted }, "private Redis started");
  return redis;
}

/** What redis-server needs; renewd's own environment holds tokens and keys. */
function redisEnvironment(): Record<string, string> {
  const passed = ["PATH", "LD_LIBRARY_PATH", "TZ"].map((name) => [name, processEnvironment(name)] as const);
  return Object.fromEntries(passed.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

/** A Redis that is down is waited for, as workers and Redis start in any order; one that evicts keys is refused. */
async function redisReady(redis: RedisOptions, log: Log, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      const { maxmemoryPolicy } = await checkRedis(redis, signal);
      if (maxmemoryPolicy === null)
        log.warn(
          { redis: describeRedis(redis) },
          "Redis does not show its maxmemory-policy: make sure that it is noeviction",
        );
      return;
    } catch (thrown) {
      signal.throwIfAborted();
      const error = toRenewalError(thrown);
      if (error.code !== "queue.unavailable") throw error;
      log.error({ err: error, action: error.facts.action }, "waiting for Redis");
      await systemClock.sleep(REDIS_RETRY_MS, signal);
    }
  }
}

function stopSignals(): { readonly asked: Promise<void>; readonly signal: AbortSignal } {
  const controller = new AbortController();
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.once(name, () => {
      controller.abort(new Error(`stopped by ${name}`));
      resolve();
    });
  }
  return { asked, signal: controller.signal };
}
