export const RENEWAL_STATES = [
  "planned",
  "issuing",
  "deploying",
  "verifying",
  "succeeded",
  "held",
  "rolledBack",
  "failed",
  "cancelled",
] as const;
export type RenewalState = (typeof RENEWAL_STATES)[number];

/**
 * States in which a renewal has not ended; a held one waits for a person. A certificate has at most one such renewal.
 */
export const ACTIVE_STATES = [
  "planned",
  "issuing",
  "deploying",
  "verifying",
  "held",
] as const satisfies readonly RenewalState[];

export const REASONS = [
  "missing",
  "renewalWindow",
  "renewalInfo",
  "emergency",
  "identifiersChanged",
  "issuerChanged",
  "keyChanged",
  "revoked",
  "drift",
  "targetChanged",
  "restored",
  "redeploy",
  "rollback",
  "requested",
] as const;
export type Reason = (typeof REASONS)[number];

/** These deploy the version that exists; the others bring a new one. */
export function deploysExisting(reason: Reason): boolean {
  return reason === "drift" || reason === "targetChanged";
}

export const TRIGGERS = ["planner", "request"] as const;
export type Trigger = (typeof TRIGGERS)[number];

/** One effort to bring a certificate to a generation. Instants are ms since epoch. */
export interface Renewal {
  readonly id: string;
  readonly certificate: string;
  /** The generation this renewal brings to every endpoint. */
  readonly generation: number;
  readonly reason: Reason;
  readonly reasonDetail: string;
  readonly trigger: Trigger;
  readonly state: RenewalState;
  /** The fallback issuer that it orders from; null: the certificate's first issuer. */
  readonly issuer: string | null;
  /** Raised on each claim; a writer holding an older fence is refused. */
  readonly fence: number;
  readonly leaseUntil: number | null;
  /**
   * Minutes left before expiry when it was planned (see `runwayPriority`): orders the queue. Smaller is more urgent.
   */
  readonly priority: number;
  /** Digest of the certificate's configuration this renewal works to. */
  readonly digest: string;
  /** The certificate's `issueDigest` when it was planned; null: planned by a release that did not record it. */
  readonly issueDigest: string | null;
  /** Claims since the last recorded outcome: a worker that dies records none, so this counts crashes in a row. */
  readonly openClaims: number;
  /** Failed issue attempts so far. */
  readonly attempts: number;
  /** Back-off: issuing is not tried again before this instant. */
  readonly retryAt: number | null;
  /** When the sweep decides about this renewal again; null once it has ended. */
  readonly nextActionAt: number | null;
  readonly createdAt: number;
  readonly finishedAt: number | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
}

export function isActive(state: RenewalState): boolean {
  return (ACTIVE_STATES as readonly RenewalState[]).includes(state);
}

export function isRenewalId(of: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(of);
}
