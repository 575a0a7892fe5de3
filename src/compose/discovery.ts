import { dirname } from "node:path";
import type { Config, DiscoveryConfig } from "../config/config.ts";
import { processEnvironment } from "../config/read/environment.ts";
import { readSecret } from "../config/read/readSecret.ts";
import { plainSerial, searchLogs } from "../discovery/certificateTransparency.ts";
import { addressGate } from "../domain/addressRange.ts";
import { toRenewalError } from "../domain/errors.ts";
import type { DiscoverySourceName, SourceRun } from "../domain/inventory.ts";
import { sanitize } from "../domain/text.ts";
import type { Context } from "../renewal/context.ts";
import { discoverCertificates, managementIn } from "../renewal/watch/discover.ts";
import { iso } from "../reports/instant.ts";
import { type DiscoverReport, inventoryRow, type LoggedEntry, runEntry } from "../reports/inventory.ts";
import { createSweep } from "../tls/scan/sweep.ts";
import { ctSource, networkSource, sniSource, zoneSource } from "./discoveryDialled.ts";
import { fileSources, targetSource } from "./discoveryHeld.ts";
import type { Reader } from "./reader.ts";
import { trustSystemAuthorities } from "./systemTrust.ts";

export type Discoverable = Pick<Reader, "config" | "store" | "clock"> & Pick<Context, "services">;

/** What to look for, with everything that only this run adds. */
export interface DiscoverRequest {
  /** In the order of DISCOVERY_SOURCES. */
  readonly sources: readonly DiscoverySourceName[];
  readonly settings: DiscoveryConfig;
  /** Serials of certificates that Certificate Transparency knows, to be taken into the inventory. */
  readonly picks: readonly string[];
}

/** Below the root of this machine; tests have another. */
const ROOT = "/";
const LOGGED_PROBLEMS_MAX = 20;

/** Looks everywhere once, and writes down what is there. */
export async function discover(
  part: Discoverable,
  { sources, settings, picks }: DiscoverRequest,
  signal: AbortSignal,
  root = ROOT,
): Promise<DiscoverReport> {
  const { config, store, clock } = part;
  trustSystemAuthorities();
  const sweep = createSweep({
    mayDial: addressGate(settings.allow),
    connectionsMax: settings.connections,
    perSecond: settings.rate,
    timeoutMs: settings.timeoutMs,
  });
  const searched = sources.includes("ct") ? await search(part, settings, picks, signal) : NOTHING_SEARCHED;
  const makers = [
    ...fileSources(settings, root, (reference) => readSecret(reference, dirname(config.file), processEnvironment)),
    targetSource(part),
    networkSource(settings, sweep, "hosts"),
    sniSource(part, sweep),
    zoneSource(part, settings, sweep),
    networkSource(settings, sweep, "networks"),
    ctSource(settings, searched.picked),
  ].filter(({ name }) => sources.includes(name));
  const managementOf = await managementIn(store, config.certificates);
  const { runs, fresh } = await discoverCertificates(
    part,
    makers.map(({ make }) => make),
    { expiringMs: settings.expiringMs, managementOf },
    signal,
  );
  const now = clock.now();
  const entries = [];
  for (let from = 0; from < fresh.length; from += PAGE)
    entries.push(...(await store.inventory.list({ fingerprints: fresh.slice(from, from + PAGE) })));
  return {
    version: 1,
    at: iso(now),
    runs: runs.map((run) => runEntry(withProblems(run, searched.problems))),
    certificates: entries.map((entry) => inventoryRow(entry, managementOf, now)),
    logged: searched.logged,
  };
}

const PAGE = 500;

function withProblems(run: SourceRun, problems: readonly string[]): SourceRun {
  return run.source === "ct" ? { ...run, problems: [...problems, ...run.problems] } : run;
}

interface SearchedAll {
  readonly logged: readonly LoggedEntry[];
  readonly picked: readonly { readonly id: string; readonly serial: string }[];
  readonly problems: readonly string[];
}

const NOTHING_SEARCHED: SearchedAll = { logged: [], picked: [], problems: [] };

/** A search that fails for one domain stops no other. */
async function search(
  { store, clock }: Discoverable,
  { ct }: DiscoveryConfig,
  picks: readonly string[],
  signal: AbortSignal,
): Promise<SearchedAll> {
  const known = new Set((await store.inventory.list()).map(({ certificate }) => plainSerial(certificate.serial)));
  const wanted = new Set(picks.map(plainSerial));
  const logged = new Map<string, LoggedEntry>();
  const picked = new Map<string, { id: string; serial: string }>();
  const problems: string[] = [];
  for (const domain of ct.domains) {
    try {
      const found = await searchLogs(domain, { search: ct.search, max: ct.max, now: clock.now() }, signal);
      if (found.isCapped)
        problems.push(`${domain}: more than ${ct.max} certificates: raise discovery.ct.max to see all`);
      for (const { id, serial, names, issuer, notBefore, notAfter } of found.certificates) {
        if (wanted.has(plainSerial(serial))) picked.set(serial, { id, serial });
        else if (!known.has(plainSerial(serial)) && (await store.versions.bySerial(serial).catch(() => null)) === null)
          logged.set(serial, { serial, names, issuer, notBefore: iso(notBefore), notAfter: iso(notAfter) });
      }
    } catch (thrown) {
      signal.throwIfAborted();
      if (problems.length < LOGGED_PROBLEMS_MAX) problems.push(sanitize(toRenewalError(thrown).message, 300));
    }
  }
  for (const serial of wanted)
    if (![...picked.keys()].some((each) => plainSerial(each) === serial))
      problems.push(`serial ${sanitize(serial, 60)} is not among what the search found`);
  return { logged: [...logged.values()], picked: [...picked.values()], problems };
}

/** What is configured, so that something can be found: for a run without arguments, and on the schedule. */
export function configuredSources({ discovery, targets }: Config): DiscoverySourceName[] {
  const { files, hosts, networks, zones, ct, lemur } = discovery;
  return [
    "servers",
    "clients",
    ...(files.length > 0 ? (["files"] as const) : []),
    ...(targets.size > 0 ? (["targets"] as const) : []),
    ...(lemur === undefined ? [] : (["lemur"] as const)),
    ...(hosts.length > 0 ? (["hosts"] as const) : []),
    "sni",
    ...(zones.solvers.length + zones.transfers.length > 0 ? (["zones"] as const) : []),
    ...(networks.length > 0 ? (["networks"] as const) : []),
    ...(ct.domains.length > 0 ? (["ct"] as const) : []),
  ];
}

/** On the schedule: everything configured but Certificate Transparency, among whose finds a person picks. */
export async function discoverOnSchedule(part: Discoverable, signal: AbortSignal): Promise<void> {
  const { everyMs } = part.config.discovery;
  if (everyMs === null || !(await part.store.inventory.claimRun(part.clock.now(), everyMs))) return;
  const sources = configuredSources(part.config).filter((source) => source !== "ct");
  await discover(part, { sources, settings: part.config.discovery, picks: [] }, signal);
}
