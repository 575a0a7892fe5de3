/** What a CA limits, and renewd therefore counts itself. */
export const LIMIT_KINDS = [
  "ordersPerAccount",
  "certificatesPerDomain",
  "certificatesPerExactSet",
  "failuresPerIdentifier",
  "consecutiveFailuresPerIdentifier",
] as const;
export type LimitKind = (typeof LIMIT_KINDS)[number];

/** A token bucket: `max` at once, refilled evenly so that an empty one is full after `windowMs`. */
export interface Limit {
  readonly max: number;
  readonly windowMs: number;
}
export type Limits = Readonly<Partial<Record<LimitKind, Limit>>>;

/** The limits of one issuer. */
export interface CaBudget {
  /** Name of the issuer in configuration; with the directory it names the account. See `Accounts.follow`. */
  readonly issuer: string;
  /** A CA's limits per domain or set of names are the same for all accounts. */
  readonly directory: string;
  readonly limits: Limits;
  /**
   * An order for exactly the names of an earlier certificate is a renewal: only limits per set and per failure apply.
   */
  readonly renewalsExempt: boolean;
}

/** Of a CA that is not known to limit anything. */
export function unlimited(issuer: string): CaBudget {
  return { issuer, directory: "", limits: {}, renewalsExempt: false };
}

export interface BucketKey {
  /** A directory URL, or issuer and directory for what is counted per account. */
  readonly scope: string;
  readonly kind: LimitKind;
  /** Registered domain, identifier or digest of a set of names; empty for what is counted per account. */
  readonly key: string;
}

/** All that needs to be kept of a token bucket, however often it was used: an unknown one is full. */
export interface Bucket extends BucketKey {
  /** When it is full again if nothing more is taken, ms since epoch. */
  readonly fullAt: number;
}

/** What an order has taken of a bucket for a certificate that was not received yet. */
export interface Reservation extends BucketKey {
  /** By how much it moved `fullAt`. */
  readonly tokenMs: number;
}

/** renewd's own record of how much it has used of each CA's limits. */
export interface Ledger {
  /** Holds all buckets until the transaction ends, so that two workers never take the same last token. */
  lock(): Promise<void>;
  /** Those that are not full. */
  list(now: number): Promise<Bucket[]>;
  read(keys: readonly BucketKey[]): Promise<Bucket[]>;
  write(buckets: readonly Bucket[]): Promise<void>;
  /** Deletes buckets that are full; returns how many. */
  prune(now: number): Promise<number>;
  /** What a renewal has taken for a certificate it has not received yet. */
  reserved(renewalId: string): Promise<Reservation[]>;
  reserve(renewalId: string, taken: readonly Reservation[]): Promise<void>;
  /** Forgets the reservation; the buckets stay as they are. */
  release(renewalId: string): Promise<void>;
}
