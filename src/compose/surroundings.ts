import { access, constants } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import type { Config } from "../config/config.ts";
import { processEnvironment } from "../config/read/environment.ts";
import { RenewalError, toRenewalError } from "../domain/errors.ts";
import { type ErrorCode, isErrorCode } from "../domain/errorTable.ts";
import { workerName } from "../domain/workerName.ts";
import { checkRedis } from "../queue/check.ts";
import type { RehearsalStep } from "../renewal/watch/rehearsalStep.ts";
import { tryTargets } from "../renewal/watch/rehearse.ts";
import { checkDatabaseServer, openEmptyStore } from "../store/index.ts";
import { startHttp01Responder } from "../web/http01.ts";
import type { Listener, ListeningAddress } from "../web/listen.ts";
import { startTlsAlpn01Responder, type TlsAlpn01ResponderOptions } from "../web/tlsAlpn01.ts";
import { redisOf } from "./app.ts";
import { systemClock } from "./clock.ts";
import { checkDataDirectory } from "./dataDirectory.ts";
import { checkSecrets } from "./doctor/configuration.ts";
import { checkWeb } from "./doctor/listeners.ts";
import { listenerAt } from "./portWatch.ts";
import { roleSettingsOf } from "./roleSettings.ts";
import { createServices } from "./services.ts";
import { sharedFiles } from "./sharedFiles.ts";
import { trustSystemAuthorities } from "./systemTrust.ts";

const PORT_MAX_MS = 2_000;
const LIMITS = { preflightMs: 15_000, preflightsMs: 60_000 } as const;

/** What a process would meet where the configuration is right but its surroundings are not. */
export interface SurroundingFault {
  /** `target NAME`, `data directory`, `http-01 responder`, `tls-alpn-01 responder`, `Redis`, `database`. */
  readonly subject: string;
  readonly error: RenewalError;
}

/**
 * What start-up and deploying would find on this machine, with its user: directories, ports, secrets, Redis, whether
 * PostgreSQL answers, each target's preflight. No table is read, and what a preflight writes it removes.
 */
export async function checkSurroundings(config: Config, signal: AbortSignal): Promise<SurroundingFault[]> {
  const checks: readonly (readonly [subject: string, check: () => Promise<void>])[] = [
    ["data directory", () => checkStateDirectory(config)],
    ["http-01 responder", () => checkResponder(roleSettingsOf(config).http01, startHttp01Responder)],
    ["tls-alpn-01 responder", () => checkResponder(roleSettingsOf(config).tlsAlpn01, startTlsAlpn01Responder)],
    ["Redis", () => checkRedisOf(config, signal)],
    ["database", () => checkDatabaseServer(config.store)],
    ...solverChecks(config),
  ];
  const faults: SurroundingFault[] = [];
  for (const [subject, check] of checks)
    await check().catch((thrown: unknown) => faults.push({ subject, error: toRenewalError(thrown) }));
  // Each target's preflight names the secrets of targets.
  const found = [
    ...(await checkSecrets({ config, targets: false })),
    ...(await checkWeb({ config, clock: systemClock })),
  ];
  const failed = found.flatMap(({ subject, result, message, code }) =>
    result === "failed" ? [{ subject, error: new RenewalError(knownCode(code), message) }] : [],
  );
  return [...faults, ...failed, ...(await checkTargets(config, signal))];
}

function knownCode(code: string | null): ErrorCode {
  return code !== null && isErrorCode(code) ? code : "config.invalid";
}

function solverChecks(config: Config): (readonly [subject: string, check: () => Promise<void>])[] {
  return [...config.solvers].map(([name, { plugin, options }]) => [
    `solver ${name}`,
    async () => plugin.checkMachine?.(options),
  ]);
}

/** It exists and is ours, or can be created. */
export async function checkStateDirectory({ dataDir }: Pick<Config, "dataDir">): Promise<void> {
  await checkDataDirectory(dataDir);
  for (let path = dataDir; ; path = dirname(path)) {
    const code = await access(path, constants.W_OK).then(
      () => null,
      (error: NodeJS.ErrnoException) => error.code ?? "unknown error",
    );
    if (code === null) return;
    if (code !== "ENOENT" || path === dirname(path))
      throw new RenewalError("store.forbidden", `${path} cannot be written by this user (${code})`);
  }
}

/** Listens as the responder does. Another responder of this installation on the same port is no fault. */
export async function checkResponder(
  at: ListeningAddress | null,
  start: (options: TlsAlpn01ResponderOptions) => Promise<Listener>,
): Promise<void> {
  if (at === null) return;
  try {
    const responder = await start({ ...at, challenges: { get: async () => null }, now: systemClock.now });
    await responder.close();
  } catch (thrown) {
    // Without the right to the port the kernel does not say that it is taken.
    const found = await listenerAt(at, AbortSignal.timeout(PORT_MAX_MS));
    if (found === "renewd") return;
    const error = toRenewalError(thrown);
    if (found === null || isTaken(error)) throw error;
    throw new RenewalError(error.code, `${error.message}. Something listens there already`, { cause: thrown });
  }
}

function isTaken({ cause }: RenewalError): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "EADDRINUSE";
}

async function checkRedisOf(config: Config, signal: AbortSignal): Promise<void> {
  if (config.redis === null) return checkPrivateRedis(config);
  const redis = redisOf(config);
  if (redis.tls !== undefined) trustSystemAuthorities();
  await checkRedis(redis, signal);
}

export async function checkPrivateRedis({ redis }: Pick<Config, "redis">): Promise<void> {
  if (redis !== null) return;
  for (const directory of (processEnvironment("PATH") ?? "").split(delimiter))
    if (
      await access(join(directory, "redis-server"), constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return;
  throw new RenewalError("config.invalid", "redis-server is not in PATH: install it, or set `redis` to one that runs");
}

async function checkTargets(config: Config, signal: AbortSignal): Promise<SurroundingFault[]> {
  const steps = await tryAllTargets(config, signal);
  return steps.flatMap(({ step, error }) => (error === null ? [] : [{ subject: step, error }]));
}

/**
 * Each target once, for the first certificate that uses it, and files that several would write; those with an agent are
 * that machine's.
 */
export async function tryAllTargets(config: Config, signal: AbortSignal): Promise<RehearsalStep[]> {
  const store = await openEmptyStore(workerName());
  try {
    const services = createServices(config, store, systemClock);
    const seen = new Set<string>();
    const steps: RehearsalStep[] = [];
    for (const { name, targets } of config.certificates) {
      const here = targets.filter((target) => !seen.has(target) && !services.hasAgent(target));
      for (const target of here) seen.add(target);
      if (here.length > 0)
        steps.push(...(await tryTargets({ store, services }, { name, targets: here }, LIMITS, signal)));
    }
    return [...steps, ...(await sharedFiles(config))];
  } finally {
    await store.close();
  }
}
