import { join } from "node:path";
import type { Config } from "../config/config.ts";
import { type LoadOptions, loadConfig } from "../config/load.ts";
import { type ConfigProblem, describeProblems } from "../config/read/problems.ts";
import type { Clock } from "../domain/clock.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Log } from "../domain/log.ts";
import type { JobQueue } from "../domain/queue.ts";
import type { Store } from "../domain/store.ts";
import { workerName } from "../log.ts";
import { isThisMachine, type RedisOptions } from "../queue/options.ts";
import { privateRedisSocket } from "../queue/privateRedis.ts";
import { openJobQueue } from "../queue/producer.ts";
import type { Context } from "../renewal/context.ts";
import { OwedClaims } from "../renewal/owedClaims.ts";
import { DEFAULT_SETTINGS, REHEARSAL_OFF, type RenewalSettings } from "../renewal/rules/settings.ts";
import { openStore, openVault } from "../store/index.ts";
import { createProbe } from "../tls/probe.ts";
import { systemClock } from "./clock.ts";
import { guardClock } from "./clockGuard.ts";
import { createServices, type ReloadableServices } from "./services.ts";

/** One handshake, however slowly the peer talks. */
const HANDSHAKE_TIMEOUT_MS = 5_000;

const PROBLEMS = new WeakMap<RenewalError, readonly ConfigProblem[]>();

/** Throws `config.invalid` with every mistake in its message, one a line with its place. */
export async function loadConfigOrExplain(file: string, options: Pick<LoadOptions, "issues"> = {}): Promise<Config> {
  const result = await loadConfig(file, options);
  if (result.ok) return result.config;
  const error = new RenewalError("config.invalid", describeProblems(result.problems));
  PROBLEMS.set(error, result.problems);
  throw error;
}

/** The mistakes behind a `config.invalid`, for output that is not text. */
export function problemsOf(error: RenewalError): readonly ConfigProblem[] {
  return PROBLEMS.get(error) ?? [];
}

/** Configuration and database: enough to show and to record; Redis is not touched. */
export interface Reader extends AsyncDisposable {
  readonly config: Config;
  readonly store: Store;
  readonly services: ReloadableServices;
  readonly clock: Clock;
  close(): Promise<void>;
}

export async function openReader(configFile: string): Promise<Reader> {
  return readerOf(await loadConfigOrExplain(configFile));
}

/** `answerTimeoutMs`: how long a statement on PostgreSQL may take. */
export async function readerOf(config: Config, answerTimeoutMs?: number): Promise<Reader> {
  const options = answerTimeoutMs === undefined ? config.store : { ...config.store, answerTimeoutMs };
  const store = await openStore(options, await openVault(config.masterKey), workerName());
  const close = (): Promise<void> => store.close();
  return {
    config,
    store,
    services: createServices(config, store, systemClock),
    clock: systemClock,
    close,
    [Symbol.asyncDispose]: close,
  };
}

export interface App extends Reader {
  readonly context: Context;
  readonly redis: RedisOptions;
}

/** `asksCa`: see `appOf`; default: no. */
export async function openContext(
  configFile: string,
  { log, asksCa = false }: { readonly log: Log; readonly asksCa?: boolean },
): Promise<App> {
  const reader = await readerOf(await loadConfigOrExplain(configFile));
  return appOf(reader, redisOf(reader.config), log, asksCa);
}

/**
 * Opens no connection yet: it is made when the first job is added, and its failure is that job's. `asksCa`: this
 * process may ask the CA for the time; deployers often run where no CA can be reached.
 */
export function appOf(reader: Reader, redis: RedisOptions, log: Log, asksCa: boolean): App {
  const queue = openJobQueue(redis);
  const { config, store, services, clock } = reader;
  const probe = createProbe({ timeoutMs: HANDSHAKE_TIMEOUT_MS, now: clock.now });
  const settings = settingsOf(config);
  const { observeMs } = settings;
  const databaseHost = databaseHostOf(config);
  const clockGuard = guardClock({ store, services, clock, log, redis, databaseHost, observeMs, asksCa });
  const owedClaims = new OwedClaims();
  const context: Context = { store, queue, probe, services, clock, clockGuard, log, settings, owedClaims };
  const close = async (): Promise<void> => {
    await queue.close();
    await reader.close();
  };
  return { ...reader, context, redis, close, [Symbol.asyncDispose]: close };
}

/** Everything a command needs that only records: jobs are left to the sweep. */
export function withoutQueue(context: Context): Context {
  const queue: JobQueue = { enqueue: async () => {} };
  return { ...context, queue };
}

/** Without `redis` in the configuration, the private one that `renewd run` starts in `dataDir`. */
export function redisOf(config: Config): RedisOptions {
  return config.redis ?? { kind: "single", path: privateRedisSocket(privateRedisDirectory(config)) };
}

/** null: the database shares this machine's clock. */
function databaseHostOf({ store }: Config): string | null {
  if (store.kind === "sqlite") return null;
  const host = URL.parse(store.url.reveal())?.hostname ?? "";
  return isThisMachine(host) ? null : host;
}

export function privateRedisDirectory({ dataDir }: Config): string {
  return join(dataDir, "redis");
}

function settingsOf({ planner, observation, verification, rehearsal, retry, retention }: Config): RenewalSettings {
  return {
    ...DEFAULT_SETTINGS,
    batch: planner.batch,
    issueAttemptsMax: retry.issueAttempts,
    deployAttemptsMax: retry.deployAttempts,
    backoffMs: retry.backoffMs,
    requeueMs: planner.sweepMs,
    proof: verification,
    observeMs: observation.everyMs,
    retention,
    rehearseMs: rehearsal.everyMs ?? REHEARSAL_OFF,
  };
}
