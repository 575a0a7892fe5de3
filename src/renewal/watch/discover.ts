import type { Candidate, DiscoveryReport, DiscoverySource } from "../../domain/discovery.ts";
import { endpointKey } from "../../domain/endpoint.ts";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import {
  ANNOUNCED,
  type Announced,
  type DiscoverySourceName,
  type InventoryEntry,
  type Sighting,
  type SourceRun,
} from "../../domain/inventory.ts";
import { NOBODY } from "../../domain/responsibility.ts";
import { sanitize } from "../../domain/text.ts";
import type { WatchDefinition } from "../../domain/watched.ts";
import type { Context } from "../context.ts";
import { endsSoon, isNews, type ManagementOf, managementBy } from "../rules/unmanaged.ts";

const SIGHTINGS_MAX = 200_000;
/** Of all names together: a server may show another certificate with a thousand names at each handshake. */
const NAMES_CHARACTERS_MAX = 64 * 1_048_576;
const CANDIDATES_MAX = 20_000;
const PROBLEMS_MAX = 50;
const PROBLEM_LENGTH_MAX = 300;
/** One source, such as a large network at a polite rate. */
const SOURCE_TIMEOUT_MS = 6 * 3_600_000;
const NAMES_SHOWN_MAX = 5;

export interface DiscoverSettings {
  readonly expiringMs: number;
  readonly managementOf: ManagementOf;
}

export interface Discovered {
  readonly runs: readonly SourceRun[];
  /** Fingerprints of certificates that were not known before. */
  readonly fresh: readonly string[];
}

/** What this run has seen so far: later sources look where earlier ones say. */
export interface Seen {
  readonly sightings: readonly Sighting[];
  readonly candidates: readonly Candidate[];
}

type Part = Pick<Context, "store" | "clock">;

/**
 * Asks one source after another, and writes down what each found as soon as it ends: a source that cannot be asked
 * stops no other. `sources` is called with what was seen.
 */
export async function discoverCertificates(
  context: Part,
  sources: readonly ((seen: Seen) => DiscoverySource)[],
  settings: DiscoverSettings,
  signal: AbortSignal,
): Promise<Discovered> {
  const runs: SourceRun[] = [];
  const fresh = new Set<string>();
  const sightings: Sighting[] = [];
  const candidates = new Map<string, Candidate>();
  for (const make of sources) {
    signal.throwIfAborted();
    const source = make({ sightings, candidates: [...candidates.values()] });
    const startedAt = context.clock.now();
    const gathered = gather(source.name, candidates);
    const stopped = await lookAt(source, gathered, signal);
    for (const each of gathered.sightings) if (sightings.length < SIGHTINGS_MAX) sightings.push(each);
    const found = new Set(gathered.sightings.map(({ certificate }) => certificate.fingerprint)).size;
    const { problems } = gathered;
    const run = { source: source.name, startedAt, finishedAt: context.clock.now(), found, problems };
    // Also of a run that is stopped: a network may have taken hours.
    for (const each of await write(context, gathered.sightings, run)) fresh.add(each);
    if (stopped) signal.throwIfAborted();
    runs.push(run);
  }
  await watchFound(context, settings);
  await announceNews(context, settings);
  return { runs, fresh: [...fresh] };
}

/** True: the signal has stopped it. */
async function lookAt(source: DiscoverySource, gathered: Gathered, signal: AbortSignal): Promise<boolean> {
  try {
    await source.look(gathered.report, AbortSignal.any([signal, AbortSignal.timeout(SOURCE_TIMEOUT_MS)]));
  } catch (thrown) {
    gathered.report.problem(signal.aborted ? "it was stopped before its end" : toRenewalError(thrown).message);
  }
  return signal.aborted;
}

interface Gathered {
  readonly sightings: Sighting[];
  readonly problems: string[];
  readonly report: DiscoveryReport;
}

function gather(source: DiscoverySourceName, candidates: Map<string, Candidate>): Gathered {
  const byPlace = new Set<string>();
  const sightings: Sighting[] = [];
  const problems: string[] = [];
  let isFull = false;
  let characters = 0;
  const problem = (sentence: string): void => {
    const line = sanitize(sentence, PROBLEM_LENGTH_MAX);
    if (problems.length < PROBLEMS_MAX && !problems.includes(line)) problems.push(line);
    else if (problems.length === PROBLEMS_MAX) problems.push("more problems are not listed");
  };
  return {
    ...{ sightings, problems },
    report: {
      found(certificate, place) {
        const id = `${certificate.fingerprint} ${place.place}`;
        if (byPlace.has(id)) return;
        if (sightings.length >= SIGHTINGS_MAX || characters > NAMES_CHARACTERS_MAX) {
          if (!isFull) problem(`after ${sightings.length} places no more was kept: name fewer at once`);
          isFull = true;
          return;
        }
        byPlace.add(id);
        characters += certificate.names.reduce((sum, name) => sum + name.length, 0);
        sightings.push({ certificate, place: { ...place, source } });
      },
      candidate({ host, port }) {
        if (candidates.size < CANDIDATES_MAX) candidates.set(`${host} ${port}`, { host, port });
      },
      problem,
    },
  };
}

/** Returns the fingerprints that were not known. */
async function write({ store }: Part, sightings: readonly Sighting[], run: SourceRun): Promise<string[]> {
  const fingerprints = [...new Set(sightings.map(({ certificate }) => certificate.fingerprint))];
  const known = new Set<string>();
  for (let from = 0; from < fingerprints.length; from += KNOWN_PAGE) {
    const page = await store.inventory.list({ fingerprints: fingerprints.slice(from, from + KNOWN_PAGE) });
    for (const { certificate } of page) known.add(certificate.fingerprint);
  }
  await store.inventory.record(sightings, run.finishedAt);
  await store.inventory.saveRun(run);
  return fingerprints.filter((fingerprint) => !known.has(fingerprint));
}

const KNOWN_PAGE = 500;

/** Endpoints that serve what nobody manages are looked at from now on, as those that the configuration names. */
async function watchFound({ store, clock }: Part, { managementOf }: DiscoverSettings): Promise<void> {
  const now = clock.now();
  const entries = (await store.inventory.list()).filter((entry) => isNews(entry, managementOf, now));
  const found = new Map<string, WatchDefinition>();
  for (const { places } of entries)
    for (const { endpoint: seen, source } of places) {
      if (seen === null || found.size >= WATCHED_MAX) continue;
      const { host, port, sni, starttls } = seen;
      const endpoint = { host, port, sni, target: null, ...(starttls !== null && { starttls }) };
      const key = endpointKey(endpoint);
      found.set(key, { ...FOUND, key, endpoint, foundBy: [source] });
    }
  await store.watched.addFound([...found.values()], now);
}

const WATCHED_MAX = 10_000;
const FOUND = {
  origin: "found",
  // Whether strangers should trust it is not known of what nobody has named.
  expects: { minLeftMs: null, trusted: false },
  responsibility: NOBODY,
} as const;

/**
 * One event for each source and cause: certificates that nobody manages, which were found for the first time; and those
 * that no endpoint serves and that have come near their end. Each certificate is part of one such event of each kind in its life.
 */
export async function announceNews(
  { store, clock }: Part,
  { expiringMs, managementOf }: DiscoverSettings,
): Promise<void> {
  const now = clock.now();
  const news = (await store.inventory.list()).filter((entry) => isNews(entry, managementOf, now));
  // What an endpoint serves is watched from now on, and warned of there.
  const isExpiring = (entry: InventoryEntry): boolean =>
    entry.places.every(({ endpoint }) => endpoint === null) && endsSoon(entry, expiringMs, now);
  for (const announced of [ANNOUNCED.unmanaged, ANNOUNCED.expiring]) {
    const due = news.filter(
      (entry) => entry.announced < announced && isExpiring(entry) === (announced === ANNOUNCED.expiring),
    );
    for (const [source, entries] of Map.groupBy(due, sourceOf))
      await announce(store, { source, entries, announced, now });
  }
}

/** The first that has seen it: DISCOVERY_SOURCES is in the order in which sources are asked. */
function sourceOf({ places }: InventoryEntry): DiscoverySourceName {
  const [first] = places.toSorted((a, b) => a.firstSeen - b.firstSeen);
  return first?.source ?? "files";
}

interface News {
  readonly source: DiscoverySourceName;
  readonly entries: readonly InventoryEntry[];
  readonly announced: Announced;
  readonly now: number;
}

async function announce(store: Part["store"], { source, entries, announced, now }: News): Promise<void> {
  const soonest = Math.min(...entries.map(({ certificate }) => certificate.notAfter));
  const names = entries.slice(0, NAMES_SHOWN_MAX).map(({ certificate }) => certificate.names[0] ?? certificate.subject);
  const kind = announced === ANNOUNCED.expiring ? "expiring" : "unmanaged";
  await store.transaction(async (tx) => {
    await tx.inventory.announce(
      entries.map(({ certificate }) => certificate.fingerprint),
      announced,
    );
    await tx.events.append({
      ...{ at: now, type: "discovery.found", certificate: null, renewalId: null, target: null },
      detail: { source, kind, count: entries.length, names, soonest },
    });
  });
}

/** Who manages what, by the configuration and its `watch:`. */
export async function managementIn(
  { watched }: Pick<Part["store"], "watched">,
  certificates: Parameters<typeof managementBy>[0],
): Promise<ManagementOf> {
  const configured = (await watched.list({ limit: WATCHED_MAX })).filter(({ origin }) => origin === "configured");
  const places = configured.map(({ endpoint: { sni, host, port } }) => `${sni} ${host}:${port}`);
  return managementBy(certificates, new Set(places));
}

/** Throws `request.invalid` unless exactly one certificate's fingerprint begins so. */
export async function inventoryEntry({ store }: Pick<Part, "store">, written: string): Promise<InventoryEntry> {
  const prefix = written.replace(/[:\s]/g, "").toLowerCase();
  if (!/^[0-9a-f]{6,64}$/.test(prefix))
    throw new RenewalError(
      "request.invalid",
      `"${written.slice(0, 80)}" is no fingerprint: give at least six hexadecimal digits, as \`renewd inventory\` shows them`,
    );
  const [found, other] = await store.inventory.find(prefix);
  if (found === undefined)
    throw new RenewalError("request.invalid", `the inventory has no certificate whose fingerprint begins ${prefix}`);
  if (other !== undefined)
    throw new RenewalError(
      "request.invalid",
      `several certificates have a fingerprint that begins ${prefix}: give more`,
    );
  return found;
}
