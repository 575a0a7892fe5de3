import type { Config } from "../config/config.ts";
import type { LoadOptions, LoadResult } from "../config/load.ts";
import { type ConfigProblem, describeProblems } from "../config/read/problems.ts";
import type { Clock } from "../domain/clock.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Store } from "../domain/store.ts";
import { workerName } from "../domain/workerName.ts";
import {
  isMissing,
  isSealedAlready,
  isUnused,
  type Opening,
  openEmptyStore,
  openExistingVault,
  openStore,
  openVault,
  type Vault,
} from "../store/index.ts";
import { systemClock } from "./clock.ts";
import { checkDataDirectory } from "./dataDirectory.ts";
import { keepProblems } from "./problems.ts";
import { createServices, type ReloadableServices } from "./services.ts";
import { readStored } from "./stored.ts";
import { trustSystemAuthorities } from "./systemTrust.ts";

/** The file, with the certificates that the database defines where its place is known. Throws what the database throws. */
export async function loadWhole(file: string, options: LoadOptions = {}): Promise<LoadResult> {
  // Of a large fleet nothing is loaded by who only looks, and all rules with the list of public suffixes are much code.
  const { loadConfig } = await import("../config/load.ts");
  const isPlaceKnown = options.secrets !== "unread";
  return loadConfig(file, { ...(isPlaceKnown && { stored: readStored }), ...options });
}

/** As `loadWhole`. Throws `config.invalid` with every mistake in its message, one a line with its place. */
export async function loadConfigOrExplain(file: string, options: LoadOptions = {}): Promise<Config> {
  const result = await loadWhole(file, options);
  if (result.ok) return result.config;
  throw configInvalid(result.problems);
}

export function configInvalid(problems: readonly ConfigProblem[]): RenewalError {
  return keepProblems(new RenewalError("config.invalid", describeProblems(problems)), problems);
}

/** Configuration and database: enough to show and to record; Redis is not touched. */
export interface Reader extends AsyncDisposable {
  readonly config: Config;
  readonly store: Store;
  readonly services: ReloadableServices;
  readonly clock: Clock;
  close(): Promise<void>;
}

/** For commands: an older renewd may still run, so none of them migrates what it has written. */
export async function openReader(configFile: string): Promise<Reader> {
  return readerOf(await loadConfigOrExplain(configFile), { schema: "created" });
}

/** As `openReader`, for commands that change nothing: see `readerToLook`. */
export async function openReaderToLook(configFile: string): Promise<Reader> {
  return readerToLook(await loadConfigOrExplain(configFile));
}

/**
 * Before renewd has run, an empty store in memory: who only looks creates neither tables nor master key.
 */
export async function readerToLook(config: Config): Promise<Reader> {
  const { store, masterKey } = config;
  const empty = async (): Promise<Reader> => readerWith(config, await openEmptyStore(workerName()));
  if (store.kind === "sqlite") return isMissing(store.file) ? empty() : readerOf(config, { schema: "required" });
  trustSystemAuthorities();
  if ((await openExistingVault(masterKey)) === null && (await isUnused(store))) return empty();
  try {
    return await readerOf(config, { schema: "required" });
  } catch (thrown) {
    if (await isUnused(store).catch(() => false)) return empty();
    throw thrown;
  }
}

interface How extends Opening {
  /** How long a statement on PostgreSQL may take. */
  readonly answerTimeoutMs?: number;
}

export async function readerOf(config: Config, { answerTimeoutMs, ...opening }: How = {}): Promise<Reader> {
  await checkDataDirectory(config.dataDir);
  const options = answerTimeoutMs === undefined ? config.store : { ...config.store, answerTimeoutMs };
  if (options.kind === "postgresql") trustSystemAuthorities();
  return readerWith(config, await openStore(options, await vaultFor(config), workerName(), opening));
}

function readerWith(config: Config, store: Store): Reader {
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

/** A new key is created for a new database only: beside an old one it would open nothing, and hide what is missing. */
async function vaultFor({ file, masterKey, store }: Config): Promise<Vault> {
  const vault = await openExistingVault(masterKey);
  if (vault !== null) return vault;
  if ("file" in masterKey && (await isSealedAlready(store)))
    throw new RenewalError(
      "store.sealed",
      `${file}: the master key ${masterKey.file} is missing although the database was sealed with one`,
    );
  return openVault(masterKey);
}
