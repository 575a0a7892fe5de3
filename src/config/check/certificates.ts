import type { Certificate, RenewalPolicy, Wave } from "../../domain/certificate.ts";
import { type Endpoint, endpointKey, HTTPS_PORT, STARTTLS_PORTS } from "../../domain/endpoint.ts";
import { namesCover } from "../../domain/identifier.ts";
import type { Maintenance } from "../../domain/maintenance.ts";
import { shared } from "../read/digest.ts";
import type { Problems } from "../read/problems.ts";
import { quote } from "../read/suggestions.ts";
import type { CertificateEntry, DefaultsEntry, EndpointEntry } from "../schema/certificate.ts";
import { registeredDomains } from "./registeredDomain.ts";
import { type ResponsibilitySources, responsibilityOf } from "./responsibility.ts";

/** A certificate completed by the defaults; its digests come last. */
export type Draft = Omit<Certificate, "digest" | "issueDigest" | "targetDigests" | "issuerDirectories" | "definedIn">;

const DEFAULT_JITTER = 0.1;
const DEFAULT_VERIFY_TIMEOUT_MS = 60_000;

/** A certificate as written, maybe without the parts that are wrong. */
export type WrittenCertificate = Partial<CertificateEntry>;

export interface DraftSources {
  /** Every network that endpoints are dialled from; empty: they have no names. */
  readonly vantages: readonly string[];
  /** Names of issuers. */
  readonly distrusted: ReadonlySet<string>;
  readonly responsibility: ResponsibilitySources;
}

/**
 * Completes each certificate by the defaults. Leaves out those without issuer, solver or targets: references.ts reports
 * them.
 */
export function draftCertificates(
  entries: Iterable<readonly [name: string, written: WrittenCertificate]>,
  defaults: DefaultsEntry,
  { distrusted, responsibility, vantages }: DraftSources,
  problems: Problems,
): Draft[] {
  const drafts: Draft[] = [];
  const trustedOf = (named: readonly string[] | undefined) => named && issuersToAsk(named, distrusted);
  const common = { ...commonParts(defaults), issuers: issuersToAsk(issuersOf(defaults) ?? [], distrusted) };
  for (const [name, entry] of entries) {
    const { named, allDistrusted, issuer, fallbacks } = trustedOf(issuersOf(entry)) ?? common.issuers;
    if (allDistrusted)
      problems.note(
        ["certificates", name],
        `has only issuers that are distrusted (${named.map(quote).join(", ")}), so nothing renews it: name another`,
      );
    const solver = entry.solver ?? defaults.solver;
    const solvers = typeof solver !== "string" ? solver : entry.solver === undefined ? common.solvers : [solver];
    const waves = wavesOf(entry) ?? common.waves;
    const targets = waves.length > 0 ? targetsIn(waves) : (entry.targets ?? defaults.targets);
    if (issuer === undefined || solvers === undefined || targets === undefined) continue;
    drafts.push({
      name,
      identifiers: entry.names ?? [],
      registeredDomains: registeredDomains(entry.names ?? []),
      issuer,
      fallbacks,
      allDistrusted,
      dropDeadNames: entry.dropDeadNames ?? defaults.dropDeadNames ?? false,
      mode: entry.mode ?? defaults.mode ?? "renew",
      keyType: entry.keyType ?? defaults.keyType ?? "ecdsa-p256",
      solvers,
      targets,
      waves,
      onWaveFailure: entry.onWaveFailure ?? defaults.onWaveFailure ?? (waves.length > 0 ? "hold" : "fail"),
      endpoints: completeEndpoints(entry, vantages, ["certificates", name, "endpoints"], problems),
      policy: entry.renewal === undefined ? common.policy : policyOf(entry, defaults),
      maintenance: entry.maintenance === undefined ? common.maintenance : maintenanceOf(entry, defaults),
      profile: entry.profile ?? defaults.profile ?? null,
      preferredChain: entry.preferredChain ?? defaults.preferredChain ?? null,
      reuseKey: entry.reuseKey ?? defaults.reuseKey ?? false,
      csr: entry.csr ?? null,
      responsibility: responsibilityOf(
        { kind: "certificates", name, names: (entry.names ?? []).map(({ value }) => value) },
        entry,
        responsibility,
      ),
      verifyTimeoutMs: entry.verifyTimeout ?? defaults.verifyTimeout ?? DEFAULT_VERIFY_TIMEOUT_MS,
    });
  }
  return drafts;
}

/** That a distrusted issuer issued the latest version is the reason to replace it, as if it were not named. */
function issuersToAsk(named: readonly string[], distrusted: ReadonlySet<string>) {
  const trusted = named.filter((each) => !distrusted.has(each));
  const allDistrusted = named.length > 0 && trusted.length === 0;
  const [issuer, ...fallbacks] = allDistrusted ? named : trusted;
  return { named, allDistrusted, issuer, fallbacks };
}

/** What is the same object in every certificate that says nothing of it: there may be very many. */
function commonParts(defaults: DefaultsEntry) {
  const { solver, targets } = defaults;
  if (targets !== undefined) shared(targets);
  return {
    policy: shared(policyOf({}, defaults)),
    maintenance: maintenanceOf({}, defaults),
    solvers: shared(typeof solver === "string" ? [solver] : (solver ?? [])),
    waves: wavesOf(defaults) ?? [],
  };
}

function policyOf({ renewal }: Pick<DefaultsEntry, "renewal">, defaults: DefaultsEntry): RenewalPolicy {
  return {
    renewAtFractionLeft: renewal?.atFractionLeft ?? defaults.renewal?.atFractionLeft ?? null,
    jitterFraction: renewal?.jitter ?? defaults.renewal?.jitter ?? DEFAULT_JITTER,
  };
}

function maintenanceOf({ maintenance }: Pick<DefaultsEntry, "maintenance">, defaults: DefaultsEntry): Maintenance {
  return {
    windows: maintenance?.windows ?? defaults.maintenance?.windows ?? [],
    freezes: maintenance?.freezes ?? defaults.maintenance?.freezes ?? [],
  };
}

const TARGETS = new WeakMap<readonly Wave[], readonly string[]>();

function targetsIn(waves: readonly Wave[]): readonly string[] {
  const known = TARGETS.get(waves) ?? waves.flatMap((wave) => wave.targets);
  TARGETS.set(waves, known);
  return known;
}

/** undefined: says nothing of waves. An entry's plain `targets` replace the defaults' waves. */
function wavesOf({ targets, waves }: Pick<DefaultsEntry, "targets" | "waves">): readonly Wave[] | undefined {
  if (targets !== undefined) return [];
  return waves?.map((wave) => ({
    targets: wave.targets,
    bakeMs: wave.bake ?? 0,
    failureBudget: wave.failureBudget ?? 0,
  }));
}

function issuersOf({ issuer, issuers }: Pick<DefaultsEntry, "issuer" | "issuers">): readonly string[] | undefined {
  return issuers ?? (issuer === undefined ? undefined : [issuer]);
}

/** Each once for every vantage that must prove it. */
function completeEndpoints(
  { endpoints = [], names }: WrittenCertificate,
  vantages: readonly string[],
  path: readonly (string | number)[],
  problems: Problems,
): Endpoint[] {
  const completed = endpoints.map((entry, i) =>
    fromEach(completeEndpoint(entry, names, [...path, i], problems), entry.vantages ?? vantages),
  );
  if (completed.length > 1) checkDistinct(completed, path, problems);
  return completed.flat();
}

function checkDistinct(completed: readonly Endpoint[][], path: readonly (string | number)[], problems: Problems): void {
  const seen = new Set<string>();
  for (const [i, seenFrom] of completed.entries()) {
    const keys = seenFrom.map(endpointKey);
    if (keys.some((key) => seen.has(key))) problems.add([...path, i], "is listed twice: remove one");
    for (const key of keys) seen.add(key);
  }
}

/** What the file does not name is reported by references.ts. */
export function fromEach(endpoint: Endpoint, vantages: readonly string[]): Endpoint[] {
  return vantages.length === 0 ? [endpoint] : vantages.map((vantage) => ({ ...endpoint, vantage }));
}

/**
 * A host that the certificate covers is its own server name. A load balancer's internal name or address is not, so the
 * first name is used. A server name that the certificate does not cover could never be verified.
 */
function completeEndpoint(
  { host, sni, target, ...entry }: EndpointEntry,
  names: CertificateEntry["names"] | undefined,
  path: readonly (string | number)[],
  problems: Problems,
): Endpoint {
  const base = { host, port: portOf(entry), target: target ?? null, ...howToDial(entry) };
  if (!names) return { ...base, sni: sni ?? host };
  const values = names.map((name) => name.value);
  if (sni === undefined && namesCover(values, host)) return { ...base, sni: host };
  const serverName = sni ?? concreteName(names) ?? probeName(values);
  if (serverName !== undefined && !namesCover(values, serverName))
    problems.add([...path, "sni"], `${quote(serverName)} is not covered by the certificate's names`);
  return { ...base, sni: serverName ?? host };
}

function concreteName(names: CertificateEntry["names"]): string | undefined {
  const named = names.find(({ type, value }) => type === "dns" && !value.startsWith("*."));
  return (named ?? names.find(({ type }) => type === "ip"))?.value;
}

/** Clients of a wildcard ask for any name that it covers. */
function probeName([first]: readonly string[]): string | undefined {
  return first?.startsWith("*.") ? `renewd-probe${first.slice(1)}` : undefined;
}

export function portOf({ port, starttls }: Pick<EndpointEntry, "port" | "starttls">): number {
  return port ?? (starttls === undefined ? HTTPS_PORT : STARTTLS_PORTS[starttls]);
}

/** What is not written stays out, so that an older configuration keeps its digest. */
export function howToDial({
  starttls,
  proxyProtocol,
  alpn,
  handshakeTimeout,
}: Omit<EndpointEntry, "host">): Pick<Endpoint, "starttls" | "proxyProtocol" | "alpn" | "handshakeTimeoutMs"> {
  return {
    ...(starttls !== undefined && { starttls }),
    ...(proxyProtocol !== undefined && { proxyProtocol }),
    ...(alpn !== undefined && { alpn }),
    ...(handshakeTimeout !== undefined && { handshakeTimeoutMs: handshakeTimeout }),
  };
}
