import { createHash } from "node:crypto";
import type { DnsAnswers, DnsRecord } from "../../domain/dnsRecord.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Identifier } from "../../domain/identifier.ts";
import type { ChallengeResponse, Readiness, Solver } from "../../domain/issuer.ts";
import type { Plugin } from "../../domain/plugin.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../../domain/time.ts";
import { challengeName, challengeValue } from "./challenge.ts";
import { listValues } from "./change.ts";
import { clientAnswers } from "./clientAnswers.ts";
import { followDelegation } from "./delegation.ts";
import type { DnsDependencies } from "./dependencies.ts";
import { createLookup, type Lookup } from "./lookup.ts";
import { type DnsOptions, dnsOptions } from "./options.ts";
import { createPace, type Pace } from "./pace.ts";
import { examine } from "./preflight.ts";
import { askAuthoritative, askResolvers, type Verdict } from "./propagation.ts";
import type { DnsProvider, DnsProviderKind, ProviderTraits, Zone } from "./provider.ts";
import { identifierOf, type Publisher, publish, removeForeign, withdraw } from "./publication.ts";
import { chooseZone } from "./zone.ts";

const TTL_S = 60;
const PROPAGATION_MAX_MS = 10 * MINUTE_MS;
const UNKNOWN_MS = MINUTE_MS;
/** First pause between two checks, and the longest; between them a quarter of the time that has passed. */
const CHECK_MIN_MS = SECOND_MS;
const CHECK_MAX_MS = 5 * MINUTE_MS;
/** For validation, and for an order that waits for its CA. */
const GRACE_MS = HOUR_MS;
const ZONES_LISTED_MAX = 1_000;
/** The provider was asked, and has no place for the answer. */
const LACKING: readonly string[] = ["dns.noZone", "dns.delegation"];
const ZONES_KEPT_MS = 5 * MINUTE_MS;
const LISTS_KEPT_MAX = 1_000;

/** Everything one configured DNS solver works with. */
export interface Engine extends Publisher {
  readonly options: DnsOptions;
  readonly lookup: Lookup;
  readonly pace: Pace;
  /** Where the answers for a name go. */
  placeOf(identifier: Identifier, signal: AbortSignal): Promise<Place>;
  /** Where the answers go that a CA looks for at this name. */
  placeAt(name: string, signal: AbortSignal): Promise<Place>;
}

export interface Place {
  readonly name: string;
  readonly zone: Zone;
  /** The CNAMEs on the way. */
  readonly path: readonly string[];
}

/** Makes a solver kind of a DNS provider. */
export function dnsSolver<Options extends object>(
  kind: DnsProviderKind<Options>,
): Plugin<Options & DnsOptions, DnsDependencies, Solver> {
  return {
    type: kind.type,
    challengeType: "dns-01",
    description: kind.description,
    // Boundary: zod cannot say that the extended schema's output is both.
    options: kind.options.extend(dnsOptions) as Plugin<Options & DnsOptions, DnsDependencies, Solver>["options"],
    create: (options, dependencies) => solverOver(createEngine(kind, options, dependencies)),
  };
}

export function createEngine<Options extends object>(
  kind: DnsProviderKind<Options>,
  options: Options & DnsOptions,
  { solver, dns, secret, now, dnsPort = 53 }: DnsDependencies,
): Engine {
  const traits = typeof kind.traits === "function" ? kind.traits(options) : kind.traits;
  const pace = createPace(dns.rates, { key: credentialKey(kind.type, options), limit: traits.rateLimit, now });
  const provider = kind.create(options, { solver, secret, now, turn: (signal) => pace.turn(signal) });
  const lookup = createLookup({ resolvers: options.resolvers ?? [], port: dnsPort });
  const zones = zoneList(provider, pace, now);
  const { propagationMaxMs } = propagationOf(traits, options);
  const engine: Engine = {
    ...{ solver, dns, provider, traits, options, lookup, pace, now },
    ttlS: Math.max(options.ttl ?? TTL_S, traits.ttlMinS ?? 0),
    lifetimeMs: propagationMaxMs + GRACE_MS,
    placeOf: async (identifier, signal) => engine.placeAt(challengeName({ identifier }), signal),
    async placeAt(asked, signal) {
      const { name, path } = await followDelegation(lookup, asked, options.follow ?? "auto", signal);
      const question = { solver, name, wanted: options.zone ?? null };
      try {
        return { name, path, zone: await zones(name, (found) => chooseZone(found, question), signal) };
      } catch (error) {
        if (path.length === 0 || !(error instanceof RenewalError) || error.code !== "dns.noZone") throw error;
        const way = [asked, ...path].join(" → ");
        throw new RenewalError("dns.delegation", `${way}: ${error.message}`, { cause: error });
      }
    },
  };
  return engine;
}

function solverOver(engine: Engine): Solver {
  const { dns, pace, solver, now, lifetimeMs } = engine;
  const find = (challenge: ChallengeResponse): Promise<DnsRecord | null> =>
    dns.records.find({
      ...{ solver, identifier: identifierOf(challenge), value: challengeValue(challenge), client: null },
    });
  return {
    challengeType: "dns-01",
    async present(challenge, signal) {
      challengeName(challenge);
      const known = await find(challenge);
      signal.throwIfAborted();
      if (known?.state === "published")
        return dns.records.update(known.id, { expiresAt: now() + lifetimeMs, nextAttemptAt: null });
      const { name, zone } = await engine.placeOf(challenge.identifier, signal);
      const { certificate = null, renewalId = null, keyAuthorization } = challenge;
      const answer = { identifier: identifierOf(challenge), value: challengeValue(challenge), keyAuthorization };
      const publication = { ...answer, zone, name, certificate, renewalId, client: null };
      await pace.keep(() => publish(engine, publication, signal));
    },
    async cleanUp(challenge, signal) {
      challengeName(challenge);
      const record = await find(challenge);
      signal.throwIfAborted();
      if (record !== null) await pace.keep(() => withdraw(engine, record, signal));
    },
    async readiness(challenge, signal) {
      const record = await find(challenge);
      if (record === null || record.publishedAt === null)
        throw new RenewalError("solver.failed", `The answer for ${identifierOf(challenge)} is not published any more.`);
      return readinessOf(engine, record, record.publishedAt, signal);
    },
    async owns(identifier, signal) {
      try {
        await engine.placeOf(identifier, signal);
        return true;
      } catch (error) {
        signal.throwIfAborted();
        return !(error instanceof RenewalError && LACKING.includes(error.code));
      }
    },
    preflight: (identifier, signal) => examine(engine, identifier, signal),
    dns: answers(engine),
    ...credentialsOf(engine),
  };
}

/** Paced as every other question to the provider. */
function credentialsOf({ provider, pace }: Engine): Pick<Solver, "credentials"> {
  if (provider.credentials === undefined) return {};
  const look = provider.credentials.bind(provider);
  return { credentials: (signal) => pace.keep(() => look(signal)) };
}

function answers(engine: Engine): DnsAnswers {
  const { provider, pace } = engine;
  const { names } = provider;
  return {
    forClients: clientAnswers(engine),
    withdraw: (record, signal) => pace.keep(() => withdraw(engine, record, signal)),
    async values(identifier, signal) {
      const { name, zone } = await engine.placeOf(identifier, signal);
      const values = await pace.keep(() => listValues(provider, zone, name, signal));
      return { name, zoneId: zone.id, zoneName: zone.name, values };
    },
    ...(names !== undefined && { zoneNames: (of, signal) => zoneNames(engine, names, of, signal) }),
    async remove(identifier, value, signal) {
      const { name, zone } = await engine.placeOf(identifier, signal);
      await pace.keep(() => removeForeign(engine, { zone, name, value }, signal));
    },
  };
}

async function zoneNames(
  { provider, pace }: Engine,
  names: NonNullable<DnsProvider["names"]>,
  of: readonly string[],
  signal: AbortSignal,
): Promise<{ zone: string; names: readonly string[] }[]> {
  const zones = new Map<string, Zone>();
  // Asked once where the list is the same for every name.
  for (const name of provider.listsAllZones === true ? of.slice(0, 1) : of)
    for (const zone of await pace.keep(() => provider.zones(name, signal)))
      if (zone.isPrivate !== true && zones.size < ZONES_LISTED_MAX) zones.set(zone.id, zone);
  const found: { zone: string; names: readonly string[] }[] = [];
  for (const zone of zones.values())
    found.push({ zone: zone.name, names: await pace.keep(() => names.call(provider, zone, signal)) });
  return found;
}

async function readinessOf(
  engine: Engine,
  record: DnsRecord,
  publishedAt: number,
  signal: AbortSignal,
): Promise<Readiness> {
  const { options, traits, now } = engine;
  const { delayMs, propagationMaxMs, unknownMs } = propagationOf(traits, options);
  const passedMs = now() - publishedAt;
  if (passedMs < delayMs)
    return { ready: false, why: "the configured delay has not passed", retryAt: publishedAt + delayMs };
  const verdict = await verdictOn(engine, record, signal);
  if (verdict.kind === "everywhere") return { ready: true, note: null };
  if (verdict.kind === "sure") return { ready: true, note: `${record.name} is published, although ${verdict.why}` };
  if (verdict.kind === "unknown" && passedMs >= Math.min(unknownMs, propagationMaxMs)) {
    const note = `cannot see whether ${record.name} is published: ${verdict.why}; the CA is asked anyway`;
    return { ready: true, note };
  }
  if (passedMs >= propagationMaxMs)
    throw new RenewalError(
      "dns.notPropagated",
      `The TXT record of ${record.name} was created in zone ${record.zoneName}, but ${verdict.why} after ` +
        `${Math.round(passedMs / SECOND_MS)} s.`,
    );
  const everyMs = Math.max(CHECK_MIN_MS, traits.propagationEveryMs ?? 0, Math.min(passedMs / 4, CHECK_MAX_MS));
  const latest = publishedAt + (verdict.kind === "unknown" ? unknownMs : propagationMaxMs);
  return { ready: false, why: verdict.why, retryAt: Math.min(now() + everyMs, Math.max(latest, now() + CHECK_MIN_MS)) };
}

async function verdictOn(engine: Engine, record: DnsRecord, signal: AbortSignal): Promise<Verdict> {
  const { provider, options, traits, lookup, pace } = engine;
  const check = options.propagation?.check ?? "authoritative";
  if (check === "none") return { kind: "everywhere" };
  const { status } = provider;
  if (status !== undefined && record.providerId !== null && options.propagation?.check === undefined) {
    const change = record.providerId;
    const zone = { id: record.zoneId, name: record.zoneName };
    const found = await pace.keep(() => status.call(provider, zone, change, signal));
    return found === "done" ? { kind: "everywhere" } : { kind: "missing", why: "the provider is still spreading it" };
  }
  if (check === "resolvers") return askResolvers(lookup.resolvers, record, signal);
  const { name, value } = record;
  return askAuthoritative(lookup, { name, value, oneSource: traits.oneSource ?? false }, signal);
}

function propagationOf(
  traits: ProviderTraits,
  { propagation }: DnsOptions,
): { readonly delayMs: number; readonly propagationMaxMs: number; readonly unknownMs: number } {
  const delayMs = propagation?.delay ?? 0;
  const propagationMaxMs = delayMs + (propagation?.timeout ?? traits.propagationMaxMs ?? PROPAGATION_MAX_MS);
  return { delayMs, propagationMaxMs, unknownMs: delayMs + (propagation?.unknown ?? UNKNOWN_MS) };
}

/**
 * What the provider listed is kept for minutes: a hundred names of one zone cost one request where it lists all zones.
 * A zone that is missing is looked for again.
 */
function zoneList(provider: DnsProvider, pace: Pace, now: () => number) {
  const lists = new Map<string, { readonly zones: readonly Zone[]; readonly until: number }>();
  return async (name: string, choose: (zones: readonly Zone[]) => Zone, signal: AbortSignal): Promise<Zone> => {
    const key = provider.listsAllZones === true ? "" : name;
    const kept = lists.get(key);
    if (kept !== undefined && now() < kept.until) {
      try {
        return choose(kept.zones);
      } catch (error) {
        if (!(error instanceof RenewalError) || error.code !== "dns.noZone") throw error;
      }
    }
    const zones = await pace.keep(() => provider.zones(name, signal));
    // The one that was listed first is forgotten first.
    if (lists.size >= LISTS_KEPT_MAX) lists.delete(lists.keys().next().value ?? key);
    lists.set(key, { zones, until: now() + ZONES_KEPT_MS });
    return choose(zones);
  };
}

/** Two solvers with the same credentials share their rate. */
function credentialKey(type: string, options: object): string {
  const own = Object.entries(options).filter(([key]) => !Object.hasOwn(dnsOptions, key));
  return `${type} ${createHash("sha256").update(JSON.stringify(own)).digest("base64url").slice(0, 22)}`;
}
