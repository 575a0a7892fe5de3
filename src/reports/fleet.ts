import { type Bucket, type CaBudget, unlimited } from "../domain/budget.ts";
import type { Certificate, CertificateRecord } from "../domain/certificate.ts";
import type { Deployment, EndpointStatus } from "../domain/deployment.ts";
import { endpointKey } from "../domain/endpoint.ts";
import { ACTIVE_STATES, type Renewal } from "../domain/renewal.ts";
import type { RenewalInfoRecord } from "../domain/renewalInfo.ts";
import type { ReplacementMembership } from "../domain/replacement.ts";
import type { Store } from "../domain/store.ts";
import { takingTurns } from "../domain/turns.ts";
import type { Version } from "../domain/version.ts";
import { byKey } from "../renewal/rules/budget.ts";
import { withoutDeadEndpoints } from "../renewal/rules/deadNames.ts";
import { type BudgetFacts, decide, type PlanDecision } from "../renewal/rules/decide.ts";
import { proofAgeMaxMs } from "../renewal/rules/proofAge.ts";
import { isReplacementPending } from "../renewal/rules/replacement.ts";
import { DEFAULT_SETTINGS } from "../renewal/rules/settings.ts";
import { silentVantages, vantagesOf } from "../renewal/rules/vantages.ts";

/** A configured certificate with all the database knows of it. */
export interface Member {
  readonly certificate: Certificate;
  /** null: no planner has run with this configuration yet. */
  readonly record: CertificateRecord | null;
  /** The latest version; null: none was issued yet. */
  readonly version: Version | null;
  /** Why the latest version cannot be read; null: it can, or there is none. */
  readonly unreadable: string | null;
  readonly renewalInfo: RenewalInfoRecord | null;
  readonly active: Renewal | null;
  readonly deployments: readonly Deployment[];
  readonly endpoints: readonly EndpointStatus[];
  readonly budget: BudgetFacts;
  readonly replacement: ReplacementMembership | null;
  /** An endpoint's proof that ended before this instant is too old to be believed, ms since epoch. */
  readonly proofsFrom: number;
  /** Vantages without a verifier: what they saw is too old to be believed at once. */
  readonly silent: ReadonlySet<string>;
}

/** The limits of an issuer. */
export type BudgetOf = (issuer: string) => CaBudget;

export interface FleetOptions {
  readonly budgetOf?: BudgetOf | undefined;
  /** Between two observations of an endpoint. */
  readonly observeMs?: number | undefined;
  /** What is the same for every part of the fleet, read once before its parts are read one after another. */
  readonly shared?: SharedFacts | undefined;
}

export interface SharedFacts {
  readonly replacements: ReadonlyMap<string, ReplacementMembership>;
  readonly buckets: ReadonlyMap<string, Bucket>;
  readonly silent: ReadonlySet<string>;
}

export async function loadShared(
  store: Store,
  certificates: readonly Certificate[],
  now: number,
): Promise<SharedFacts> {
  const endpoints = certificates.flatMap((each) => each.endpoints.filter(({ vantage }) => vantage !== undefined));
  // The first of a certificate is the one that counts.
  const memberships = (await store.replacements.memberships()).reverse();
  return {
    replacements: new Map(memberships.map((each) => [each.certificate, each])),
    buckets: byKey(await store.ledger.list(now)),
    silent: endpoints.length === 0 ? new Set() : silentVantages(endpoints, await store.health.beats(), now),
  };
}

/** Read in one go: a longer answer of the database keeps all else of this process waiting. */
const PART_SIZE = 200;

/** These configured certificates, sorted by name, in a fixed number of statements for each part of a large fleet. */
export async function loadFleet(
  store: Store,
  certificates: readonly Certificate[],
  now: number,
  options: FleetOptions = {},
): Promise<Member[]> {
  if (certificates.length === 0) return [];
  const shared = options.shared ?? (await loadShared(store, certificates, now));
  const sorted = certificates.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const members: Member[] = [];
  const turn = takingTurns();
  for (let from = 0; from < sorted.length; from += PART_SIZE) {
    members.push(...(await loadPart(store, sorted.slice(from, from + PART_SIZE), now, { ...options, shared })));
    await turn();
  }
  return members;
}

/**
 * Rows of several tables, read one after another while workers go on. Of a certificate whose renewal began or ended in
 * between they say that nothing is in flight and that no planner comes back to it, so it is read once more.
 */
async function loadPart(
  store: Store,
  certificates: readonly Certificate[],
  now: number,
  options: FleetOptions & { readonly shared: SharedFacts },
): Promise<Member[]> {
  const members = await readPart(store, certificates, now, options);
  const torn = certificates.filter((_, index) => isTorn(members[index]));
  if (torn.length === 0) return members;
  const again = await readPart(store, torn, now, options);
  const byName = new Map(again.map((member) => [member.certificate.name, member]));
  return members.map((member) => byName.get(member.certificate.name) ?? member);
}

/** A certificate that is paused, or only observed, is put aside with the same rows. */
function isTorn(member: Member | undefined): boolean {
  if (member?.record == null || member.active !== null) return false;
  const { record, certificate } = member;
  return record.nextCheckAt === null && record.pausedAt === null && certificate.mode === "renew";
}

async function readPart(
  store: Store,
  certificates: readonly Certificate[],
  now: number,
  {
    budgetOf = unlimited,
    observeMs = DEFAULT_SETTINGS.observeMs,
    shared: { replacements, buckets, silent },
  }: FleetOptions & { readonly shared: SharedFacts },
): Promise<Member[]> {
  const names = certificates.map(({ name }) => name);
  const records = new Map((await store.certificates.list(names)).map((record) => [record.name, record]));
  const unreadable = new Map<string, string>();
  const latest = await store.versions.listLatest(
    ({ certificate, message }) => unreadable.set(certificate, message),
    names,
  );
  const versions = new Map(latest.map((version) => [version.certificate, version]));
  const renewalInfos = new Map((await store.renewalInfos.list(names)).map((info) => [info.certificate, info]));
  const running = await store.renewals.list({ states: ACTIVE_STATES, limit: names.length, certificates: names });
  const active = new Map(running.map((renewal) => [renewal.certificate, renewal]));
  const deployments = Map.groupBy(await store.deployments.listAll(names), ({ certificate }) => certificate);
  const endpoints = Map.groupBy(await store.observations.allStatuses(names), ({ certificate }) => certificate);
  return certificates.map((certificate) => ({
    certificate: withoutDeadEndpoints(certificate, versions.get(certificate.name) ?? null),
    record: records.get(certificate.name) ?? null,
    version: versions.get(certificate.name) ?? null,
    unreadable: unreadable.get(certificate.name) ?? null,
    renewalInfo: renewalInfos.get(certificate.name) ?? null,
    active: active.get(certificate.name) ?? null,
    deployments: deployments.get(certificate.name) ?? [],
    endpoints: endpoints.get(certificate.name) ?? [],
    replacement: replacements.get(certificate.name) ?? null,
    proofsFrom: now - proofAgeMaxMs(observeMs),
    silent,
    budget: {
      ca: budgetOf(issuerToAsk(certificate, replacements.get(certificate.name), versions.get(certificate.name))),
      buckets,
    },
  }));
}

/** As the planner: a replacement may order elsewhere. */
function issuerToAsk(
  { issuer }: Certificate,
  replacement: ReplacementMembership | undefined,
  version: Version | undefined,
): string {
  return (isReplacementPending(replacement ?? null, version ?? null) ? replacement?.issuer : null) ?? issuer;
}

/** What the planner would say now; null: no planner has seen this certificate yet, or its version cannot be read. */
export function planDecisionOf(member: Member, now: number): PlanDecision | null {
  const { record, unreadable, ...facts } = member;
  if (record === null || unreadable !== null) return null;
  const known = decided.get(member);
  if (known?.now === now) return known.decision;
  const decision = decide({ ...facts, record }, now);
  decided.set(member, { now, decision });
  return decision;
}

/** A member never changes, and several parts of one document ask the same of each. */
const decided = new WeakMap<Member, { readonly now: number; readonly decision: PlanDecision }>();

/** When a planner next looks at a certificate that has no renewal in flight; null: never by itself. */
export function nextLookAt({ record }: Member, decision: PlanDecision | null): number | null {
  if (record === null || record.nextCheckAt === null) return null;
  const heldUntil = decision === null || decision.due || decision.until === null ? 0 : decision.until;
  return Math.max(record.nextCheckAt, heldUntil);
}

/** How far the latest version has come, counted over what is configured now. */
export interface Progress {
  readonly targetsDeployed: number;
  readonly targets: number;
  readonly endpointsProved: number;
  readonly endpoints: number;
  /**
   * Every endpoint's last handshakes served the latest version, not too long ago. Without an endpoint nothing proves
   * it.
   */
  readonly provedLive: boolean;
  /**
   * As `provedLive`, but a proof is older than observation promises, or its vantage has no verifier any more: unknown
   * since then. ms since epoch.
   */
  readonly unknownSince: number | null;
  /** When the oldest of those proofs was taken, ms since epoch. */
  readonly provedAt: number | null;
}

export function progressOf(
  { certificate, version, deployments, endpoints, proofsFrom, silent }: Member,
  generation = version?.generation ?? 0,
): Progress {
  const deployed = certificate.targets.filter((name) =>
    deployments.some(({ target, deployedGeneration }) => target === name && holds(deployedGeneration, generation)),
  );
  const keys = certificate.endpoints.map(endpointKey);
  const proofs = endpoints.filter(
    (status) => keys.includes(status.endpoint) && status.generation === generation && generation > 0 && status.proved,
  );
  const isProved = keys.length > 0 && proofs.length === keys.length;
  const provedAt = isProved ? Math.min(...proofs.map(({ roundEndedAt }) => roundEndedAt ?? 0)) : null;
  const isUnseen = vantagesOf(certificate.endpoints).some((vantage) => silent.has(vantage));
  const isOld = provedAt !== null && (isUnseen || provedAt < proofsFrom);
  return {
    targetsDeployed: deployed.length,
    targets: certificate.targets.length,
    endpointsProved: proofs.length,
    endpoints: keys.length,
    provedLive: isProved && !isOld,
    unknownSince: isOld ? provedAt : null,
    provedAt,
  };
}

function holds(deployedGeneration: number, generation: number): boolean {
  return generation > 0 && deployedGeneration >= generation;
}
