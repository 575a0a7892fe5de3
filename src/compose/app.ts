import { join } from "node:path";
import type { Config } from "../config/config.ts";
import { addressGate } from "../domain/addressRange.ts";
import type { Log } from "../domain/log.ts";
import { isThisMachine, type RedisOptions } from "../queue/options.ts";
import { openJobQueue } from "../queue/producer.ts";
import { privateRedisSocket } from "../queue/socketPath.ts";
import type { Context } from "../renewal/context.ts";
import { OwedClaims } from "../renewal/owedClaims.ts";
import { DEFAULT_SETTINGS, REHEARSAL_OFF, type RenewalSettings } from "../renewal/rules/settings.ts";
import { createProbe } from "../tls/probe.ts";
import { createServedJudge } from "../tls/scan/servedJudge.ts";
import { guardClock } from "./clockGuard.ts";
import { packageVersion } from "./packageVersion.ts";
import { loadConfigOrExplain, type Reader, readerOf, readerToLook } from "./reader.ts";
import { trustSystemAuthorities } from "./systemTrust.ts";
import { rootsFrom } from "./trustedRoots.ts";

/** One handshake, however slowly the peer talks. */
const HANDSHAKE_TIMEOUT_MS = 5_000;

export interface App extends Reader {
  readonly context: Context;
  readonly redis: RedisOptions;
  /** From now on this configuration holds, also for work that has begun. */
  replace(config: Config): void;
}

/** `asksCa`: see `appOf`; default: no. */
export async function openContext(
  configFile: string,
  { log, asksCa = false }: { readonly log: Log; readonly asksCa?: boolean },
): Promise<App> {
  const reader = await readerOf(await loadConfigOrExplain(configFile), { schema: "created" });
  return appOf(reader, redisOf(reader.config), log, asksCa);
}

/** As `openContext`, for commands that change nothing: before renewd has run they create nothing either. */
export async function openContextToLook(configFile: string, { log }: { readonly log: Log }): Promise<App> {
  const reader = await readerToLook(await loadConfigOrExplain(configFile));
  return appOf(reader, redisOf(reader.config), log, false);
}

/**
 * Opens no connection yet: it is made when the first job is added, and its failure is that job's. `asksCa`: this
 * process may ask the CA for the time; deployers often run where no CA can be reached.
 */
export function appOf(reader: Reader, redis: RedisOptions, log: Log, asksCa: boolean): App {
  if (redis.tls !== undefined) trustSystemAuthorities();
  const queue = openJobQueue(redis);
  const { config, store, services, clock } = reader;
  const probe = createProbe({ timeoutMs: HANDSHAKE_TIMEOUT_MS, now: clock.now });
  const settings = settingsOf(config);
  const databaseHost = databaseHostOf(config);
  const clockGuard = guardClock({ store, services, clock, log, redis, databaseHost, settings, asksCa });
  const owedClaims = new OwedClaims();
  let trustPem = config.verification.trustPem;
  const judge = createServedJudge(rootsFrom(() => trustPem));
  const context: Context = { store, queue, probe, judge, services, clock, clockGuard, log, settings, owedClaims };
  const close = async (): Promise<void> => {
    await queue.close();
    await reader.close();
  };
  const replace = (next: Config): void => {
    services.replace(next);
    trustPem = next.verification.trustPem;
    // Everybody holds this very object.
    Object.assign(settings, settingsOf(next));
  };
  return { ...reader, context, redis, replace, close, [Symbol.asyncDispose]: close };
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

function settingsOf({
  planner,
  observation,
  discovery,
  verification,
  rehearsal,
  retry,
  retention,
  alerts,
  web,
}: Config): RenewalSettings {
  return {
    ...DEFAULT_SETTINGS,
    alerts: { ...alerts, webUrl: web.url, version: packageVersion },
    batch: planner.batch,
    issueAttemptsMax: retry.issueAttempts,
    deployAttemptsMax: retry.deployAttempts,
    backoffMs: retry.backoffMs,
    requeueMs: planner.sweepMs,
    proof: { connections: verification.connections, spreadMs: verification.spreadMs },
    undialable: verification.undialable,
    trusted: verification.trusted,
    mayDial: addressGate(discovery.allow),
    observeMs: observation.everyMs,
    lookConnections: observation.connections,
    retention,
    rehearseMs: rehearsal.everyMs ?? REHEARSAL_OFF,
  };
}
