import { basename, dirname, resolve } from "node:path";
import type { Certificate } from "../domain/certificate.ts";
import type { StoredDefinitions } from "../domain/definition.ts";
import { type Draft, draftCertificates } from "./check/certificates.ts";
import { checkExercise } from "./check/exercise.ts";
import { checkOldNames } from "./check/oldNames.ts";
import { checkReferences } from "./check/references.ts";
import { checkRules } from "./check/rules.ts";
import {
  channelEntries,
  checkTopLevelKeys,
  type Entry,
  entries,
  mappingOf,
  partialEntries,
  type Raw,
  section,
  solverEntries,
  targetEntries,
} from "./check/sections.ts";
import { watchDefinitions } from "./check/watch.ts";
import type { Config, IssuerConfig } from "./config.ts";
import { digestsOf } from "./digests.ts";
import { placeOf } from "./place.ts";
import { type ParsedDocument, parseYaml } from "./read/document.ts";
import { type Environment, processEnvironment } from "./read/environment.ts";
import { createResources, type SecretsNeeded } from "./read/files.ts";
import { includedDocuments, type MergedDocument, merged } from "./read/include.ts";
import { type Known, keepOnly, nothingKnown, readKnown, reused } from "./read/known.ts";
import { type ConfigProblem, Problems } from "./read/problems.ts";
import { CONFIG_BYTES_MAX, readText } from "./read/readFile.ts";
import { type SourceFile, sourceDigest, textDigest } from "./read/source.ts";
import { alteredProblems, storedDocument } from "./read/stored.ts";
import {
  resolveDiscovery,
  resolveHorizon,
  resolveIssuer,
  resolveMasterKey,
  resolveRedis,
  resolveStore,
  resolveTracing,
  resolveWeb,
} from "./resolve.ts";
import { resolveAlerts, resolveReport } from "./resolveAlerts.ts";
import { resolvePeers } from "./resolvePeers.ts";
import { certificateSchema } from "./schema/certificate.ts";
import { issuerSchema } from "./schema/issuer.ts";
import { peerSchema } from "./schema/peers.ts";
import { REGISTRIES, type Registries } from "./schema/registries.ts";
import { watchSchema } from "./schema/watch.ts";
import { contextDigest, inOrder, remember, unchanged } from "./unchanged.ts";

export type LoadResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

export interface LoadOptions {
  readonly registries?: Registries;
  readonly environment?: Environment;
  readonly secrets?: SecretsNeeded;
  /** Where relative paths begin. Default: the file's directory. */
  readonly directory?: string;
  /**
   * Reads what the database defines. `unread`: there may be more certificates than those of the file. Default: there are
   * none.
   */
  readonly stored?: ReadStored | "unread";
  /** Of earlier loads of this file in this process. Default: nothing. */
  readonly known?: Known;
}

export interface Stored extends StoredDefinitions {
  /** Certificates that are to be defined beside, to see whether they may. */
  readonly candidates?: readonly ParsedDocument[];
}

/** Throws what the database throws. */
export type ReadStored = (place: Pick<Config, "file" | "dataDir" | "store" | "masterKey">) => Promise<Stored>;

const NONE_STORED: Stored = { revision: 0, definitions: [], altered: [] };

/**
 * Reads and checks a configuration file and all it points to. Mistakes are the result, not an exception, and come all
 * at once, in the order of the file. Paths in the result are absolute.
 */
export async function loadConfig(
  file: string,
  {
    registries = REGISTRIES,
    environment = processEnvironment,
    secrets = "required",
    directory,
    stored: readStored = async () => NONE_STORED,
    known = nothingKnown(),
  }: LoadOptions = {},
): Promise<LoadResult> {
  const source = await readText(resolve(file), "the configuration file", CONFIG_BYTES_MAX);
  if ("problem" in source) {
    const hint = source.problem.endsWith("does not exist")
      ? ": `renewd init` proposes one; `-c FILE` or RENEWD_CONFIG names one elsewhere; without them it is renewd.yaml " +
        "here, then /etc/renewd/renewd.yaml"
      : "";
    return { ok: false, problems: [{ file, line: 0, column: 0, message: `${source.problem}${hint}` }] };
  }
  const { text } = source;
  const main = readKnown(known, { file, text }, () => parseYaml(file, text));
  if ("problems" in main) return { ok: false, problems: main.problems };
  const at = directory === undefined ? resolve(file) : resolve(directory, basename(file));
  const included = await includedDocuments(main, { file, directory: dirname(at) }, known);
  if ("problems" in included) return { ok: false, problems: included.problems };
  keepOnly(known, new Set([main, ...included.documents].flatMap(({ places }) => places.files)));
  // parseYaml refuses all but a mapping.
  const place = await placeOf(at, main.data as Raw, environment, secrets);
  const stored = place === null || readStored === "unread" ? NONE_STORED : await readStored(place);
  const added = [storedDocument({ definitions: reused(known, stored.definitions) }), stored.candidates ?? []].flat();
  const document = merged(main, [...included.documents, ...added]);
  const others = [...document.problems, ...alteredProblems(stored)];
  const problems = new Problems(document.places);
  const isWhole = readStored !== "unread";
  const files = [{ path: "", digest: textDigest(text) }, ...included.files];
  const options = { registries, environment, secrets, known, isWhole, stored, document, files };
  const config = await build(at, document.data as Raw, options, problems); // As above.
  if (config && !problems.any && others.length === 0) return { ok: true, config };
  return { ok: false, problems: [...others, ...problems.list()] };
}

type BuildOptions = Required<Pick<LoadOptions, "registries" | "environment" | "secrets" | "known">> & {
  /** Every certificate is known. */
  readonly isWhole: boolean;
  readonly stored: Stored;
  readonly document: MergedDocument;
  readonly files: readonly SourceFile[];
};

async function build(
  file: string,
  raw: Raw,
  { registries, environment, secrets, known, isWhole, stored, document, files }: BuildOptions,
  problems: Problems,
): Promise<Config | undefined> {
  const resources = createResources(dirname(file), environment, problems, secrets);
  checkTopLevelKeys(raw, problems);
  checkOldNames(raw, problems);
  section("version", raw, problems);
  section("include", raw, problems);
  const dataDir = resources.absolute(section("dataDir", raw, problems) ?? ".");
  const storeSection = section("store", raw, problems);
  const http01 = section("http01", raw, problems);
  const tlsAlpn01 = section("tlsAlpn01", raw, problems);
  const dnsServer = section("dnsServer", raw, problems);
  const web = section("web", raw, problems);
  const tracing = section("tracing", raw, problems);
  const planner = section("planner", raw, problems);
  const workers = section("workers", raw, problems);
  const observation = section("observation", raw, problems);
  const discovery = section("discovery", raw, problems);
  const retention = section("retention", raw, problems);
  const verification = section("verification", raw, problems);
  const rehearsal = section("rehearsal", raw, problems);
  const retry = section("retry", raw, problems);
  const log = section("log", raw, problems);
  const alerts = section("alerts", raw, problems);
  const heartbeat = section("heartbeat", raw, problems);
  const canary = section("canary", raw, problems);
  const exercise = section("exercise", raw, problems);
  const report = section("report", raw, problems);
  const horizon = resolveHorizon(section("horizon", raw, problems));
  const masterKey = await resolveMasterKey(section("masterKey", raw, problems), dataDir, resources);
  const store = storeSection && (await resolveStore(storeSection, dataDir, resources));
  const redis = await resolveRedis(section("redis", raw, problems), resources);
  const issuerEntries = entries("issuers", issuerSchema, raw, problems);
  const solvers = await solverEntries(registries.solvers, raw, problems);
  const responsibility = {
    rules: section("responsibility", raw, problems) ?? [],
    defaults: section("defaults", raw, problems) ?? {},
  };
  const targets = await targetEntries(registries.deployers, raw, problems, responsibility);
  const notifications = await channelEntries(registries.channels, raw, problems);
  const vantages = section("vantages", raw, problems) ?? [];
  const vantage = section("vantage", raw, problems) ?? null;
  const issuers = new Map<string, IssuerConfig>();
  for (const [name, { value }] of issuerEntries) {
    const issuer = await resolveIssuer(name, value, resources);
    if (issuer) issuers.set(name, issuer);
  }
  const defined = { issuers, issuerEntries, solvers, targets };
  const context = contextDigest(raw, issuers);
  const written = mappingOf(raw.certificates) ?? {};
  const kept = unchanged(known, written, context, document.definedIn);
  const distrusted = new Set([...issuerEntries].filter(([, { value }]) => value.distrusted).map(([name]) => name));
  const changed = draftCertificates(
    partialEntries("certificates", certificateSchema, raw, problems, kept),
    responsibility.defaults,
    { distrusted, responsibility, vantages },
    problems,
  );
  const drafts = inOrder(written, kept, changed);
  const peers = await resolvePeers(entries("peers", peerSchema, raw, problems), web ?? {}, resources, problems);
  const watched = watchDefinitions(entries("watch", watchSchema, raw, problems), vantages, responsibility, problems);
  checkReferences(raw, problems, isWhole, kept);
  checkExercise({ exercise: exercise?.certificate, canary: canary?.certificate, written }, drafts, problems);
  const clients = web?.httpreq ?? {};
  checkRules({ certificates: drafts, changed, written, issuers: issuerEntries, solvers, targets, clients }, problems);

  if (
    !masterKey ||
    !store ||
    redis === undefined ||
    !http01 ||
    !tlsAlpn01 ||
    !dnsServer ||
    !web ||
    !planner ||
    !workers ||
    !observation ||
    !discovery ||
    !retention ||
    !verification ||
    !rehearsal ||
    !retry ||
    !log ||
    !alerts
  )
    return undefined;
  const directoriesOf = directoriesIn(issuers);
  const complete = (draft: Draft): Certificate => {
    const issuerDirectories = directoriesOf(draft);
    const definedIn = document.definedIn(draft.name);
    return Object.assign(draft, { definedIn, issuerDirectories, ...digestsOf(draft, defined) });
  };
  const certificates = drafts.map((draft) => kept.get(draft.name) ?? complete(draft));
  // Of two certificates with one name only one was compared with the others.
  if (!problems.any && document.problems.length === 0)
    remember(
      known,
      context,
      written,
      certificates.filter(({ name }) => !kept.has(name)),
    );
  return {
    file,
    dataDir,
    masterKey,
    store,
    redis,
    http01,
    tlsAlpn01,
    dnsServer,
    web: resolveWeb(web, resources),
    tracing: await resolveTracing(tracing, resources),
    planner: { tickMs: planner.tick, sweepMs: planner.sweep, batch: planner.batch },
    workers,
    observation: { everyMs: observation.every, connections: observation.connections },
    discovery: resolveDiscovery(discovery, resources),
    retention: { historyMs: retention.history, keysMs: retention.keys },
    verification: {
      connections: verification.connections,
      spreadMs: verification.spread,
      undialable: verification.undialable,
      trusted: verification.trusted,
      trustPem: (verification.trust && (await resources.trust(verification.trust, ["verification", "trust"]))) ?? null,
    },
    vantages,
    vantage,
    watched,
    rehearsal: { everyMs: rehearsal.every ?? null },
    retry: { issueAttempts: retry.issueAttempts, deployAttempts: retry.deployAttempts, backoffMs: retry.backoff },
    log,
    issuers,
    solvers: valuesOf(solvers),
    targets: valuesOf(targets),
    notifications: valuesOf(notifications),
    alerts: resolveAlerts(alerts, { canary, exercise, heartbeat }),
    horizon,
    peers,
    report: report === undefined ? null : resolveReport(report),
    heartbeat: heartbeat === undefined ? null : { ...heartbeat, everyMs: heartbeat.every },
    certificates,
    storedRevision: stored.revision,
    sourceDigest: sourceDigest(files, stored.revision),
    notes: problems.notes(),
  };
}

/** The same list for the same issuers. */
function directoriesIn(issuers: ReadonlyMap<string, IssuerConfig>): (draft: Draft) => readonly string[] {
  const known = new Map<string, readonly string[]>();
  return ({ issuer, fallbacks }) => {
    const named = [issuer, ...fallbacks];
    const found = known.get(named.join(" ")) ?? named.map((name) => issuers.get(name)?.directory ?? "");
    known.set(named.join(" "), found);
    return found;
  };
}

function valuesOf<Value>(found: ReadonlyMap<string, Entry<Value>>): ReadonlyMap<string, Value> {
  return new Map([...found].map(([name, { value }]) => [name, value]));
}
