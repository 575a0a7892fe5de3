import type { CertificateRecord } from "./certificate.ts";
import type { Deployment, EndpointStatus } from "./deployment.ts";
import type { OrderState } from "./issuer.ts";
import type { ObservedAddress } from "./observationStore.ts";
import type { Renewal, RenewalState } from "./renewal.ts";
import type { RenewalInfoRecord } from "./renewalInfo.ts";
import type { ReplacementMembership } from "./replacement.ts";
import type { Secret } from "./secret.ts";
import type { Version } from "./version.ts";

export interface RenewalFilter {
  readonly certificate?: string;
  readonly certificates?: readonly string[];
  readonly states?: readonly RenewalState[];
  readonly since?: number;
  readonly limit: number;
}

export interface DuePage {
  readonly limit: number;
  /** The longest lease. */
  readonly leaseMs: number;
  /** Which come first: the most urgent, or those that have been due for longest. */
  readonly first: "urgent" | "overdue";
}

/** What decides a renewal's next step, of one instant. */
export interface RenewalFacts {
  /** Null: the database does not know the certificate. */
  readonly record: Pick<CertificateRecord, "digest" | "removedAt"> | null;
  /**
   * One of the renewal's generation, or of one that a target holds; null: there is none. Read only when asked for: a
   * damaged one throws `store.altered` or `store.unreadable`, and stops nothing that does not depend on it.
   */
  version(generation: number): Version | null;
  /** The newest version below the renewal's generation. */
  before(): Version | null;
  readonly deployments: readonly Deployment[];
  readonly endpoints: readonly EndpointStatus[];
  /** When the last of its targets is due to be inspected; null: none is put off. */
  readonly inspectionAt: number | null;
  /** Of all versions of the certificate; null: there is none. */
  readonly latestGeneration: number | null;
  /** The certificate is part of a replacement that was not cancelled. */
  readonly isReplaced: boolean;
}

/** What a deployment needs besides, of the same instant. */
export interface DeployFacts extends RenewalFacts {
  /** Of the renewal's generation. Throws as `VersionStore.privateKey`. */
  readonly privateKey: () => Secret;
  /** As `ObservationStore.observations`. */
  readonly observed: readonly ObservedAddress[];
}

/** What decides whether a certificate is renewed, of one instant. */
export interface PlanningFacts {
  /** The latest. */
  readonly version: Version | null;
  readonly replacement: ReplacementMembership | null;
  readonly renewalInfo: RenewalInfoRecord | null;
  readonly active: Renewal | null;
  readonly deployments: readonly Deployment[];
  readonly endpoints: readonly EndpointStatus[];
}

export interface RenewalStore {
  /** False when the certificate already has an active renewal (unique in the database) or the id exists. */
  insert(renewal: Renewal): Promise<boolean>;
  get(id: string): Promise<Renewal | null>;
  /** As `get`, holding the row and its certificate's until the transaction ends. */
  lock(id: string): Promise<Renewal | null>;
  facts(renewal: Pick<Renewal, "certificate" | "generation">): Promise<RenewalFacts>;
  deployFacts(renewal: Pick<Renewal, "certificate" | "generation">): Promise<DeployFacts>;
  /** Throws when the latest version is damaged. */
  planningFacts(certificate: string): Promise<PlanningFacts>;
  active(certificate: string): Promise<Renewal | null>;
  /** Newest first. */
  list(filter: RenewalFilter): Promise<Renewal[]>;
  /** The newest of each of these certificates. */
  lastOf(names: readonly string[]): Promise<Renewal[]>;
  /** Active renewals whose next action is due, or whose lease was taken by a wrong clock. */
  due(now: number, page: DuePage): Promise<Renewal[]>;
  /** Raises the fence and openClaims and takes the lease if it `isClaimable` and the renewal is active; else null. */
  claim(id: string, now: number, leaseMs: number): Promise<Renewal | null>;
  /** Compare-and-set on the fence. False: another worker has taken over, nothing was written. */
  update(id: string, fence: number, patch: RenewalPatch): Promise<boolean>;
  /** Takes `scope` for this renewal and returns null, or the id of another that has it and is at work on its order. */
  occupy(scope: string, id: string, now: number): Promise<string | null>;
  orderState(id: string): Promise<OrderState>;
  /** Compare-and-set on the fence; seals the key. Members left out stay, null erases. */
  saveOrderState(id: string, fence: number, state: Partial<OrderState>): Promise<boolean>;
}

export type RenewalPatch = Partial<
  Pick<
    Renewal,
    | "state"
    | "issuer"
    | "priority"
    | "digest"
    | "leaseUntil"
    | "openClaims"
    | "attempts"
    | "retryAt"
    | "nextActionAt"
    | "finishedAt"
    | "errorCode"
    | "errorMessage"
  >
>;
