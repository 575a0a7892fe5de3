import { createHash } from "node:crypto";
import type { Bucket, BucketKey, CaBudget, Limit, LimitKind, Reservation } from "../../domain/budget.ts";
import type { Certificate } from "../../domain/certificate.ts";
import { type Identifier, sameIdentifiers } from "../../domain/identifier.ts";
import { formatDuration, formatInstant } from "../../domain/time.ts";
import type { Version } from "../../domain/version.ts";
import { isFromCa } from "./origin.ts";
import { renewalWindow } from "./window.ts";

/** One bucket an order draws on. */
export interface Charge extends BucketKey {
  readonly limit: Limit;
  /** Whether opening an order takes a token. A failure bucket is only checked then; a failure takes its token. */
  readonly spends: boolean;
}

/** What an order is for, as far as limits care. */
export interface OrderScope {
  readonly identifiers: readonly Identifier[];
  /** By the public suffix list; see src/config/registeredDomain.ts. */
  readonly registeredDomains: readonly string[];
  /** This CA has certified this very set of names before. */
  readonly renewal: boolean;
}

/** By `keyOf`; one that is missing is full. */
export type Buckets = ReadonlyMap<string, Bucket>;

export interface Shortage {
  readonly until: number;
  readonly kind: LimitKind;
  readonly detail: string;
}

/** Routine work leaves a tenth of a larger budget to emergencies, so that an emergency always finds room. */
const SPARE_FRACTION = 1 / 10;

const NOUN: Readonly<Record<LimitKind, string>> = {
  ordersPerAccount: "orders per account",
  certificatesPerDomain: "certificates per registered domain",
  certificatesPerExactSet: "per exact set",
  failuresPerIdentifier: "failed validations per name",
  consecutiveFailuresPerIdentifier: "consecutive failed validations per name",
};

/** Every bucket a new order draws on, in the order in which they are reported. */
export function chargesOf(budget: CaBudget, { identifiers, registeredDomains, renewal }: OrderScope): Charge[] {
  const names = identifiers.map(({ value }) => value);
  const counted = !(renewal && budget.renewalsExempt);
  return [
    ...charge(budget, "certificatesPerExactSet", [exactSet(names)], true),
    ...(counted ? charge(budget, "certificatesPerDomain", registeredDomains, true) : []),
    ...failureCharges(budget, names),
    ...(counted ? charge(budget, "ordersPerAccount", [""], true) : []),
  ];
}

/** What a failed validation of these names takes. */
export function failureCharges(budget: CaBudget, identifiers: readonly string[]): Charge[] {
  // A wildcard is validated at, and counted by, the name below it.
  const names = identifiers.map((name) => name.replace(/^\*\./, ""));
  return [
    ...charge(budget, "failuresPerIdentifier", names, false),
    ...charge(budget, "consecutiveFailuresPerIdentifier", names, false),
  ];
}

function charge(
  { issuer, directory, limits }: CaBudget,
  kind: LimitKind,
  keys: readonly string[],
  spends: boolean,
): Charge[] {
  const limit = limits[kind];
  if (limit === undefined) return [];
  const shared = kind === "certificatesPerDomain" || kind === "certificatesPerExactSet";
  return [...new Set(keys)].map((key) => ({
    scope: shared ? directory : `${issuer} ${directory}`,
    kind,
    key,
    limit,
    spends,
  }));
}

function exactSet(names: readonly string[]): string {
  return createHash("sha256")
    .update([...new Set(names)].sort().join(" "))
    .digest("hex");
}

/** What keeps an order from being opened now, the longest wait first; null: nothing does. */
export function shortage(
  charges: readonly Charge[],
  buckets: Buckets,
  emergency: boolean,
  now: number,
): Shortage | null {
  let worst: Shortage | null = null;
  for (const each of charges) {
    const until = freeAt(each, bounded(each, buckets.get(keyOf(each)), now), emergency);
    if (until > now && (worst === null || until > worst.until))
      worst = { until, kind: each.kind, detail: describe(each, until) };
  }
  return worst;
}

/** Emergencies, and failures of orders in flight, overdraw a bucket, but never by more than it holds. */
const OVERDRAWN_MAX = 2;

/** The instant of a bucket carries no seal: one in the far future would stop every order at the CA. */
function bounded({ limit }: Pick<Charge, "limit">, bucket: Bucket | undefined, now: number): Bucket | undefined {
  return bucket && { ...bucket, fullAt: Math.min(bucket.fullAt, now + OVERDRAWN_MAX * limit.max * tokenMs(limit)) };
}

/** The instant from which a token may be taken. A bucket gains one each `windowMs / max`. */
export function freeAt({ limit, spends }: Charge, bucket: Bucket | undefined, emergency: boolean): number {
  if (bucket === undefined) return 0;
  const spare = emergency || !spends ? 0 : Math.floor(limit.max * SPARE_FRACTION);
  return bucket.fullAt - limit.max * tokenMs(limit) + (1 + spare) * tokenMs(limit);
}

/** The buckets after each charge took one token. */
export function spend(charges: readonly Charge[], buckets: Buckets, now: number): Bucket[] {
  return charges.map(({ scope, kind, key, limit }) => {
    const fullAt = bounded({ limit }, buckets.get(keyOf({ scope, kind, key })), now)?.fullAt ?? 0;
    return { scope, kind, key, fullAt: Math.max(fullAt, now) + tokenMs(limit) };
  });
}

/** The buckets after what was reserved was given back. */
export function refund(reservations: readonly Reservation[], buckets: Buckets): Bucket[] {
  return reservations.flatMap((reservation) => {
    const bucket = buckets.get(keyOf(reservation));
    return bucket === undefined ? [] : [{ ...bucket, fullAt: bucket.fullAt - reservation.tokenMs }];
  });
}

/** How many tokens are left now. */
export function left({ limit }: Charge, bucket: Bucket | undefined, now: number): number {
  return limit.max - Math.ceil(Math.max(0, (bucket?.fullAt ?? 0) - now) / tokenMs(limit));
}

export function keyOf({ scope, kind, key }: BucketKey): string {
  return `${kind} ${scope} ${key}`;
}

export function byKey<T extends BucketKey>(rows: readonly T[]): Map<string, T> {
  return new Map(rows.map((row) => [keyOf(row), row]));
}

/** "5 per exact set in 7 d", "50 certificates per registered domain in 7 d (example.org)". */
export function describeLimit({ kind, key, limit }: Pick<Charge, "kind" | "key" | "limit">): string {
  const named = key === "" || kind === "certificatesPerExactSet" ? "" : ` (${key})`;
  return `${limit.max} ${NOUN[kind]} in ${formatDuration(limit.windowMs)}${named}`;
}

function describe(each: Charge, until: number): string {
  return `waits until ${formatInstant(until)}: ${describeLimit(each)}`;
}

/** In which a bucket gains one token. */
export function tokenMs({ max, windowMs }: Limit): number {
  return Math.ceil(windowMs / max);
}

/** Whether this CA has certified this very set of names before, as far as renewd knows. */
export function isRenewal(
  certificate: Pick<Certificate, "identifiers">,
  version: Version | null,
  ca: Pick<CaBudget, "issuer" | "directory">,
): boolean {
  return (
    version !== null && isFromCa(version, ca) && sameIdentifiers(version.leaf.identifiers, certificate.identifiers)
  );
}

/** Nothing valid is served, or soon will be: such an order may use the reserved part too. */
export function isUrgent(certificate: Pick<Certificate, "policy">, version: Version | null, now: number): boolean {
  if (version === null || version.revokedAt !== null) return true;
  return now >= renewalWindow(version.leaf, certificate.policy).emergencyAt;
}

/** An emergency may use more than routine work, so the check comes no later than its start. */
export function wakeAt(
  until: number,
  certificate: Pick<Certificate, "policy">,
  version: Version | null,
  now: number,
): number {
  if (version === null) return until;
  const { emergencyAt } = renewalWindow(version.leaf, certificate.policy);
  return emergencyAt > now ? Math.min(until, emergencyAt) : until;
}

/** CAs count orders when they are opened, but certificates only when they are issued. */
export function isRefundable({ kind }: Pick<Charge, "kind">): boolean {
  return kind === "certificatesPerDomain" || kind === "certificatesPerExactSet";
}
