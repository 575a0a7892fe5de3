import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Config } from "../config/config.ts";
import { findPlace, type Place, readSource, type Source } from "../config/place.ts";
import { type Known, nothingKnown } from "../config/read/known.ts";
import { type ConfigProblem, describeProblems } from "../config/read/problems.ts";
import type { AppliedConfiguration } from "../domain/applied.ts";
import { type CaBudget, unlimited } from "../domain/budget.ts";
import type { Clock } from "../domain/clock.ts";
import type { TargetLimits } from "../domain/deployer.ts";
import { type RenewalError, toRenewalError } from "../domain/errors.ts";
import { isAnothersWhole, processUser } from "../domain/ownership.ts";
import { LARGE_FLEET } from "../domain/steady.ts";
import type { Store } from "../domain/store.ts";
import { shownUser } from "../domain/userName.ts";
import { workerName } from "../domain/workerName.ts";
import { judgedEvery, observedFrom } from "../renewal/rules/proofAge.ts";
import { type ConfiguredFleet, loadedFleet } from "../reports/configured.ts";
import { type Notice, WRONG_FILE } from "../reports/notices.ts";
import { isMissing, openEmptyStore, openExistingVault, openStoreToRead, type Vault } from "../store/index.ts";
import { appliedFleet, intactFleet } from "./appliedFleet.ts";
import { systemClock } from "./clock.ts";
import { dataDirectoryFault } from "./dataDirectory.ts";
import { fullDisk } from "./disk.ts";
import { packageVersion } from "./packageVersion.ts";
import { configInvalid, loadConfigOrExplain, loadWhole } from "./reader.ts";
import { createServices } from "./services.ts";
import { trustSystemAuthorities } from "./systemTrust.ts";

/** All that is needed to show how things are. Opening it creates nothing and needs no secret but the database's URL. */
export interface Viewer extends AsyncDisposable {
  readonly file: string;
  readonly store: Store;
  /** Of the file; of the applied configuration while the file is wrong, and of a large fleet while nothing differs. */
  readonly fleet: ConfiguredFleet;
  readonly budget: (issuer: string) => CaBudget;
  readonly limits: (target: string) => TargetLimits;
  readonly reloads: (target: string) => boolean;
  readonly observeMs: number;
  readonly agentTargets: readonly string[];
  readonly clock: Clock;
  /** What opening has found. */
  readonly found: readonly Notice[];
}

/**
 * Of a small fleet the file is read: that takes no time, and finds what is missing beside it. Throws `config.invalid` when not even the place of the database is known, and what the database throws. `largeFleet`: how
 * many certificates the planner must have applied for them to be read from the database while no file has changed.
 */
export async function openViewer(configFile: string, largeFleet = LARGE_FLEET): Promise<Viewer> {
  const known = nothingKnown();
  const source = await readSource(configFile, known);
  const opened = source === null ? null : await openPlace(source.place);
  try {
    const applied = source === null || opened === null ? null : await appliedFrom(source, opened.store);
    if (opened !== null && applied !== null && applied.certificates >= largeFleet) {
      const whole = async (): Promise<ConfiguredFleet> =>
        loadedFleet((await loadConfigOrExplain(configFile, { secrets: "optional" })).certificates);
      return appliedViewer(applied, appliedFleet(opened.store, applied, whole), opened.store, opened.found);
    }
    return await openWhole(configFile, opened, known);
  } catch (thrown) {
    await opened?.store.close();
    throw thrown;
  }
}

/** What the planner has applied, if it is what files and database say now; null: it is not. */
async function appliedFrom({ place, digest }: Source, store: Store): Promise<AppliedConfiguration | null> {
  const applied = await store.applied.read();
  const isOfNow =
    applied !== null &&
    applied.release === packageVersion &&
    applied.file === place.file &&
    applied.sourceDigest === digest(await store.definitions.revision());
  return isOfNow ? applied : null;
}

async function openWhole(configFile: string, known: Opened | null, before: Known): Promise<Viewer> {
  const loaded = await loadWhole(configFile, { secrets: "optional", known: before });
  const place = loaded.ok ? loaded.config : await findPlace(configFile);
  if (place === null) throw configInvalid(loaded.ok ? [] : loaded.problems);
  const { store, found } = known ?? (await openPlace(place));
  try {
    if (loaded.ok) return await viewerOf(loaded.config, store, found);
    const applied = await store.applied.read();
    if (applied === null) throw configInvalid(loaded.problems);
    return appliedViewer(applied, await intactFleet(store), store, [wrongFile(place.file, loaded.problems), ...found]);
  } catch (thrown) {
    await store.close();
    throw thrown;
  }
}

interface Opened {
  readonly store: Store;
  readonly found: readonly Notice[];
}

async function openPlace(place: Place): Promise<Opened> {
  const found: Notice[] = [];
  const store = await storeOf(place, found);
  try {
    const disk = await fullDisk(directoriesOf(place));
    if (disk !== null) found.unshift(fullDiskNotice(disk));
    const exposed = await dataDirectoryFault(place.dataDir);
    if (exposed !== null) found.unshift(exposedNotice(exposed));
    return { store, found };
  } catch (thrown) {
    await store.close();
    throw thrown;
  }
}

async function viewerOf(config: Config, store: Store, found: readonly Notice[]): Promise<Viewer> {
  const services = createServices(config, store, systemClock);
  const now = systemClock.now();
  const observed = observedFrom(await store.applied.read(), config.observation.everyMs, now);
  return {
    file: config.file,
    store,
    fleet: loadedFleet(config.certificates),
    budget: services.budget,
    limits: services.limits,
    reloads: services.reloads,
    observeMs: judgedEvery(observed, now),
    agentTargets: [...config.targets].filter(([, { agent }]) => agent).map(([name]) => name),
    clock: systemClock,
    found,
    [Symbol.asyncDispose]: () => store.close(),
  };
}

function appliedViewer(
  { file, budgets, agentTargets, limits, reloads, ...observed }: AppliedConfiguration,
  fleet: ConfiguredFleet,
  store: Store,
  found: readonly Notice[],
): Viewer {
  return {
    file,
    store,
    fleet,
    budget: (name) => budgets.find(({ issuer }) => issuer === name) ?? unlimited(name),
    limits: (target) => limits[target] ?? {},
    reloads: (target) => reloads.includes(target),
    observeMs: judgedEvery(observed, systemClock.now()),
    agentTargets,
    clock: systemClock,
    found,
    [Symbol.asyncDispose]: () => store.close(),
  };
}

/** Before renewd has run, everything is shown as missing instead of being created. */
async function storeOf({ store: options, masterKey, dataDir }: Place, found: Notice[]): Promise<Store> {
  if (options.kind === "sqlite" && isMissing(options.file)) {
    found.push(neverRun(options.file));
    return openEmptyStore(workerName());
  }
  if (options.kind === "postgresql") trustSystemAuthorities();
  let vault: Vault | null = null;
  try {
    vault = await openExistingVault(masterKey);
    if (vault === null && "file" in masterKey) found.push(missingKey(masterKey.file));
  } catch (thrown) {
    found.push((await keyOfAnother(masterKey, dataDir)) ?? unreadableKey(thrown));
  }
  try {
    return await openStoreToRead(options, vault, workerName());
  } catch (thrown) {
    const error = toRenewalError(thrown);
    if (vault === null || error.code !== "store.sealed") throw error;
    found.push(otherKey(error));
    return openStoreToRead(options, null, workerName());
  }
}

function neverRun(file: string): Notice {
  return {
    id: "database/none",
    kind: "database",
    what: `there is no database ${file} yet: renewd has not run here`,
    action: "Start it: `renewd run`. If it ran before, correct `dataDir` or `store`.",
    needsPerson: true,
    certificates: [],
  };
}

function missingKey(file: string): Notice {
  return {
    id: "key/missing",
    kind: "key",
    what: `the master key ${file} is missing although the database was sealed with it`,
    action: "Put it back from where you keep its copy: no key in the database can be used without it.",
    needsPerson: true,
    certificates: [],
  };
}

/** A member of the group may look without it; a key that renewd itself cannot use stops the next start. */
function unreadableKey(thrown: unknown): Notice {
  const { message, facts } = toRenewalError(thrown);
  const isOthers = /EACCES|not set/.test(message);
  return {
    id: "key/unreadable",
    kind: "key",
    what: isOthers ? `the master key cannot be read by this user, so seals of rows are not checked` : message,
    action: isOthers ? "Nothing, unless you are the user that renewd runs as." : facts.action,
    needsPerson: !isOthers,
    certificates: [],
  };
}

/** Root looks at the installation of the user that renewd runs as: nobody has to do anything about that. */
async function keyOfAnother(masterKey: Place["masterKey"], dataDir: string): Promise<Notice | null> {
  const user = processUser();
  if (user === null || !("file" in masterKey)) return null;
  const [directory, key] = await Promise.all([dataDir, masterKey.file].map((path) => stat(path).catch(() => null)));
  if (!directory || !key || !isAnothersWhole(user, directory, key)) return null;
  return {
    id: "key/another",
    kind: "key",
    what: `renewd here is of user ${shownUser(key.uid).name} and you are root, so seals of rows are not checked`,
    action: `Nothing. To have them checked: \`sudo -u ${shownUser(key.uid).sudo} renewd status\`.`,
    needsPerson: false,
    certificates: [],
  };
}

function otherKey({ message, facts }: RenewalError): Notice {
  return {
    id: "key/other",
    kind: "key",
    what: `the master key is another one than the database was sealed with: ${message}`,
    action: facts.action,
    needsPerson: true,
    certificates: [],
  };
}

function wrongFile(file: string, problems: readonly ConfigProblem[]): Notice {
  const [first] = problems;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
  return {
    id: WRONG_FILE,
    kind: "configuration",
    what: `${file} is wrong, so renewd cannot start or reload: ${first === undefined ? "" : describeProblems([first])}${more}; shown is the configuration in force`,
    action: "Fix it: `renewd config check` names every mistake.",
    needsPerson: true,
    certificates: [],
  };
}

function fullDiskNotice({ directory, message }: { directory: string; message: string }): Notice {
  return {
    id: "disk/here",
    kind: "disk",
    what: message,
    action: `Free space there: \`du -xh ${directory} | sort -h\`.`,
    needsPerson: true,
    certificates: [],
  };
}

function exposedNotice({ message, facts }: RenewalError): Notice {
  return {
    id: "directory/exposed",
    kind: "database",
    what: `${message}; until then renewd does not start`,
    action: facts.action,
    needsPerson: true,
    certificates: [],
  };
}

function directoriesOf({ dataDir, store }: Place): string[] {
  return store.kind === "sqlite" ? [dirname(store.file), dataDir] : [dataDir];
}
