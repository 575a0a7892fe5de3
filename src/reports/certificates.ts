import type { Certificate } from "../domain/certificate.ts";
import { type Evidence, endpointKey } from "../domain/endpoint.ts";
import type { Responsibility } from "../domain/responsibility.ts";
import { NAMES_MAX, type ObservedAddress, type Store } from "../domain/store.ts";
import { takingTurns } from "../domain/turns.ts";
import { isMixed, type Share, sharesOf } from "../renewal/rules/proof.ts";
import { isWatchedOnly } from "../renewal/rules/served.ts";
import { suggestionFor } from "../renewal/rules/suggestion.ts";
import { differenceOf } from "../renewal/rules/vantages.ts";
import { renewalWindow } from "../renewal/rules/window.ts";
import type { ConfiguredFleet } from "./configured.ts";
import { stoppedBy, unprovedEndpoints } from "./failures.ts";
import { loadFleet, type Member, progressOf } from "./fleet.ts";
import { iso } from "./instant.ts";
import { earliestPairs } from "./inUse.ts";
import { isQuarantined } from "./problems.ts";
import { type UnmanagedEntry, unmanagedEntries } from "./unmanaged.ts";
import { vantageViews } from "./vantages.ts";

/** `renewd certificates list --json`. Instants are ISO 8601. */
export interface CertificatesReport {
  readonly version: 2;
  readonly at: string;
  readonly certificates: readonly CertificateEntry[];
  /** Others come after this one: give it as `--after`. null: these are all that were asked for. */
  readonly next: string | null;
  /** Those that left the configuration and are still served; empty where not all certificates were asked for. */
  readonly unmanaged: readonly UnmanagedEntry[];
}

export interface CertificatesWish {
  /** All that are configured, for what left them. Left out: not asked for. */
  readonly unmanagedIn?: ConfiguredFleet | undefined;
  /** As in the report; default: null. */
  readonly next?: string | null;
}

/**
 * `provedLive` only when handshakes with every endpoint showed the latest version, `unknown` when the last such
 * handshake is longer ago than observation promises, `notServed` when an endpoint showed something else. `observed`:
 * `mode: observe` without a pair that renewd knows, and what endpoints serve is right. `unreadable`: there is a version
 * whose row renewd refuses.
 */
export const STATES = [
  "expired",
  "unreadable",
  "notIssued",
  "observed",
  "quarantined",
  "failing",
  "renewing",
  "paused",
  "notDeployed",
  "notServed",
  "notProved",
  "unknown",
  "provedLive",
] as const;
export type CertificateState = (typeof STATES)[number];

export interface CertificateEntry {
  readonly certificate: string;
  readonly names: readonly string[];
  readonly state: CertificateState;
  readonly generation: number | null;
  readonly serial: string | null;
  readonly fingerprint: string | null;
  readonly issuer: string;
  /** The file that defines it, or `database`; null: not known. */
  readonly definedIn: string | null;
  readonly responsibility: Responsibility;
  readonly issuedBy: string | null;
  /** Of the latest version. */
  readonly expiresAt: string | null;
  /** When the first of what clients get expires: of what endpoints serve and targets hold. */
  readonly clientsUntil: string | null;
  readonly windowOpensAt: string | null;
  /** What the CA suggests (RFC 9773); null: nothing. */
  readonly suggestedByCa: {
    readonly from: string;
    readonly to: string;
    readonly renewAt: string;
    readonly explanationUrl: string | null;
  } | null;
  readonly provedAt: string | null;
  readonly targets: readonly TargetEntry[];
  readonly endpoints: readonly EndpointEntry[];
  /** What each vantage sees, by endpoint; empty: endpoints are dialled from no vantage. */
  readonly vantages: readonly VantagesEntry[];
}

export interface VantagesEntry {
  readonly endpoint: string;
  /** Such as `office sees generation 6, internet sees generation 7`; null: all that have looked see the same. */
  readonly difference: string | null;
  readonly views: readonly VantageEntry[];
}

export interface VantageEntry {
  readonly vantage: string;
  /** `generation 7`, another certificate, or why none was seen. */
  readonly sees: string;
  readonly lookedAt: string | null;
  /** Enough fresh connections from there got the latest version. */
  readonly proved: boolean;
  /** No verifier of this vantage runs: what it saw counts for nothing now. */
  readonly silent: boolean;
}

export interface TargetEntry {
  readonly target: string;
  /** 0: nothing was deployed there. */
  readonly deployedGeneration: number;
  readonly deployedAt: string | null;
  readonly current: boolean;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  /** What the last inspection found wrong with what the target holds. */
  readonly inspectionProblem: string | null;
}

export interface EndpointEntry {
  readonly endpoint: string;
  /** Enough fresh connections to every address got the latest version, and none got another one. */
  readonly proved: boolean;
  readonly checkedAt: string | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  /** What each address served at its last handshake. */
  readonly addresses: readonly AddressEntry[];
}

export interface AddressEntry {
  readonly address: string;
  readonly at: string;
  readonly serial: string | null;
  /** Who issued what it serves. */
  readonly issuer: string | null;
  readonly expiresAt: string | null;
  readonly problem: string | null;
  /** False: this machine has no way to the address, so it was not dialled. */
  readonly dialable: boolean;
  /** Fresh connections in a row that got the latest version. */
  readonly connections: number;
  /** The address serves several certificates: those other than the latest version, the most frequent first. */
  readonly mixedWith: readonly Share[];
}

export async function certificatesReport(
  store: Store,
  certificates: readonly Certificate[],
  now: number,
  observeMs?: number,
  { unmanagedIn, next = null }: CertificatesWish = {},
): Promise<CertificatesReport> {
  const fleet = await loadFleet(store, certificates, now, { observeMs });
  const turn = takingTurns();
  const entries: CertificateEntry[] = [];
  for (let from = 0; from < fleet.length; from += NAMES_MAX) {
    const members = fleet.slice(from, from + NAMES_MAX);
    const names = members.map(({ certificate }) => certificate.name);
    const observed = Map.groupBy(await store.observations.allObservations(names), ({ certificate }) => certificate);
    const earliest = await earliestPairs(store, members);
    for (const member of members) {
      const { name } = member.certificate;
      const seen = observed.get(name) ?? [];
      const vantages = await vantagesEntries(store, member, seen);
      entries.push({ ...entryOf(member, seen, earliest.get(name)?.notAfter ?? null, now), vantages });
      await turn();
    }
  }
  return {
    version: 2,
    at: iso(now),
    certificates: entries,
    next,
    unmanaged: unmanagedIn === undefined ? [] : await unmanagedEntries(store, unmanagedIn, now),
  };
}

type Observed = readonly ObservedAddress[];

function entryOf(member: Member, observations: Observed, clientsUntil: number | null, now: number) {
  const { certificate, version } = member;
  const window = version === null ? null : renewalWindow(version.leaf, certificate.policy);
  return {
    certificate: certificate.name,
    names: certificate.identifiers.map(({ value }) => value),
    state: stateOf(member, clientsUntil, now),
    generation: version?.generation ?? null,
    serial: version?.leaf.serial ?? null,
    fingerprint: version?.leaf.fingerprint ?? null,
    issuer: version?.issuer ?? certificate.issuer,
    definedIn: certificate.definedIn ?? null,
    responsibility: certificate.responsibility,
    issuedBy: version?.leaf.issuerName ?? null,
    expiresAt: iso(window?.expiresAt ?? null),
    clientsUntil: iso(clientsUntil),
    windowOpensAt: iso(window?.opensAt ?? null),
    suggestedByCa: suggestionOf(member),
    provedAt: iso(progressOf(member).provedAt),
    targets: certificate.targets.map((target) => targetOf(member, target)),
    endpoints: certificate.endpoints.map((endpoint) => endpointOf(member, endpointKey(endpoint), observations)),
  };
}

async function vantagesEntries(store: Store, member: Member, observed: Observed): Promise<VantagesEntry[]> {
  return (await vantageViews(store, member, observed)).map((each) => ({
    endpoint: each.place,
    difference: differenceOf(each),
    views: each.views.map(({ vantage, sees, at, proved }) => ({
      ...{ vantage, sees, lookedAt: iso(at), proved, silent: member.silent.has(vantage) },
    })),
  }));
}

function suggestionOf({ version, renewalInfo }: Member): CertificateEntry["suggestedByCa"] {
  const found = version === null ? null : suggestionFor(version, renewalInfo);
  return (
    found && {
      from: iso(found.start),
      to: iso(found.end),
      renewAt: iso(found.renewAt),
      explanationUrl: found.explanationUrl,
    }
  );
}

/** The one word for a certificate; green only for what handshakes proved lately. */
export function stateOf(member: Member, clientsUntil: number | null, now: number): CertificateState {
  const { version, record, active } = member;
  const { provedLive, targets, targetsDeployed, unknownSince } = progressOf(member);
  if (clientsUntil !== null && clientsUntil <= now) return "expired";
  if (isQuarantined(record)) return "quarantined";
  if (member.unreadable !== null) return "unreadable";
  if (active !== null) return stoppedBy(member).length === 0 ? "renewing" : "failing";
  if ((record?.failures ?? 0) > 0) return "failing";
  if (isWatchedOnly(member.certificate, version))
    return unprovedEndpoints(member).length > 0 ? "notServed" : "observed";
  if (version === null) return "notIssued";
  if (record !== null && record.pausedAt !== null && (record.pausedUntil ?? Number.POSITIVE_INFINITY) > now)
    return "paused";
  if (targetsDeployed < targets) return "notDeployed";
  if (unprovedEndpoints(member).length > 0) return "notServed";
  if (unknownSince !== null) return "unknown";
  return provedLive ? "provedLive" : "notProved";
}

function targetOf({ deployments, version }: Member, target: string): TargetEntry {
  const row = deployments.find((deployment) => deployment.target === target);
  const deployedGeneration = row?.deployedGeneration ?? 0;
  return {
    target,
    deployedGeneration,
    deployedAt: iso(row?.deployedAt ?? null),
    current: version !== null && deployedGeneration >= version.generation,
    errorCode: row?.errorCode ?? null,
    errorMessage: row?.errorMessage ?? null,
    inspectionProblem: row?.inspectionProblem ?? null,
  };
}

function endpointOf({ endpoints, version }: Member, endpoint: string, observations: Observed): EndpointEntry {
  const status = endpoints.find((each) => each.endpoint === endpoint);
  const seen = observations.filter((each) => each.endpoint === endpoint);
  return {
    endpoint,
    proved: status !== undefined && version !== null && status.generation === version.generation && status.proved,
    checkedAt: iso(status?.roundEndedAt ?? null),
    errorCode: status?.errorCode ?? null,
    errorMessage: status?.errorMessage ?? null,
    addresses: seen.map(({ observation: { address, port, at, served, problem }, evidence }) => ({
      address: address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`,
      at: iso(at),
      serial: served?.serial ?? null,
      issuer: served?.issuer ?? null,
      expiresAt: iso(served?.notAfter ?? null),
      problem: problem?.message ?? null,
      dialable: problem?.code !== "verify.undialable",
      ...countsOf(evidence?.generation === version?.generation ? evidence : null),
    })),
  };
}

function countsOf(evidence: Evidence | null): Pick<AddressEntry, "connections" | "mixedWith"> {
  return {
    connections: evidence?.good ?? 0,
    mixedWith: evidence !== null && isMixed(evidence) ? sharesOf(evidence) : [],
  };
}
