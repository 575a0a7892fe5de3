import type { AlertStore } from "./alert.ts";
import type { AppliedStore } from "./applied.ts";
import type { Ledger } from "./budget.ts";
import type { Certificate, CertificateRecord } from "./certificate.ts";
import type { DefinitionStore } from "./definition.ts";
import type { Deployment, DeployReceipt } from "./deployment.ts";
import type { DnsStore } from "./dnsRecord.ts";
import type { DrillStore } from "./drill.ts";
import type { DueClaim } from "./dueClaim.ts";
import type { EventStore } from "./eventStore.ts";
import type { ExerciseStore } from "./exercise.ts";
import type { HealthStore } from "./heartbeat.ts";
import type { HistorySearch } from "./historySearch.ts";
import type { HorizonStore } from "./horizon.ts";
import type { InventoryStore } from "./inventory.ts";
import type { Accounts, ChallengeResponses } from "./issuer.ts";
import type { LeftTargetStore } from "./leftTarget.ts";
import type { NameServerTotalsStore } from "./nameServerTotals.ts";
import type { CursorStore } from "./notification.ts";
import type { ObservationStore } from "./observationStore.ts";
import type { PeerStore } from "./peer.ts";
import type { RenewalInfoRecord } from "./renewalInfo.ts";
import type { RenewalStore } from "./renewalStore.ts";
import type { ReplacementStore } from "./replacement.ts";
import type { RetentionStore } from "./retention.ts";
import type { CrlStore } from "./revocation.ts";
import type { Secret } from "./secret.ts";
import type { ServedStore } from "./served.ts";
import type { SteadyStore } from "./steady.ts";
import type { TotalsStore } from "./totals.ts";
import type { VantageStore } from "./vantage.ts";
import type { UnreadableVersion, Version } from "./version.ts";
import type { WatchedStore } from "./watched.ts";
import type { WebAccessStore } from "./webAccess.ts";

export type { DueClaim } from "./dueClaim.ts";
export type { EventFilter, EventStore } from "./eventStore.ts";
export type { ObservationStore, ObservedAddress } from "./observationStore.ts";
export type {
  DeployFacts,
  DuePage,
  PlanningFacts,
  RenewalFacts,
  RenewalFilter,
  RenewalPatch,
  RenewalStore,
} from "./renewalStore.ts";

/** Everything durable. The database is the truth; every instant is ms since epoch, given by the caller. */
export interface Store {
  readonly certificates: CertificateStore;
  readonly versions: VersionStore;
  readonly renewals: RenewalStore;
  readonly deployments: DeploymentStore;
  readonly observations: ObservationStore;
  readonly vantages: VantageStore;
  readonly renewalInfos: RenewalInfoStore;
  readonly events: EventStore;
  readonly search: HistorySearch;
  readonly challenges: ChallengeResponses;
  readonly dns: DnsStore;
  readonly accounts: Accounts;
  readonly ledger: Ledger;
  readonly replacements: ReplacementStore;
  readonly drills: DrillStore;
  readonly exercises: ExerciseStore;
  readonly peers: PeerStore;
  /** Certificates that no file defines. */
  readonly definitions: DefinitionStore;
  readonly horizon: HorizonStore;
  readonly crls: CrlStore;
  readonly leftTargets: LeftTargetStore;
  readonly inventory: InventoryStore;
  readonly cursors: CursorStore;
  readonly alerts: AlertStore;
  readonly retention: RetentionStore;
  readonly health: HealthStore;
  readonly applied: AppliedStore;
  readonly steady: SteadyStore;
  readonly totals: TotalsStore;
  readonly nameServerTotals: NameServerTotalsStore;
  readonly webAccess: WebAccessStore;
  readonly watched: WatchedStore;
  readonly served: ServedStore;
  /**
   * State and its history event are committed together or not at all. Do no other I/O inside: `work` runs again after a
   * conflict with another transaction.
   *
   * Lock order, without which PostgreSQL ends one of two transactions that wait for each other: rows of `certificates`
   * first, several in the order of their names (`certificates.lock`, or `renewals.lock`, which includes it); then other
   * rows of these certificates, in any order; then the ledger; then the history, which `transaction` writes at the end.
   * Who changes one row, apart from ledger and history, needs no lock.
   */
  transaction<T>(work: (tx: Store) => Promise<T>): Promise<T>;
  /**
   * Replaces numbers that somebody else wrote and that nothing can be compared with. Returns columns: `renewals.fence`.
   */
  repairNumbers(): Promise<string[]>;
  /** The database server's own clock in ms since epoch; null: it runs on this machine. */
  serverTime(): Promise<number | null>;
  /** Of the database server, such as `17.5`; null: there is none. */
  serverVersion(): Promise<string | null>;
  close(): Promise<void>;
}

/** Names in one question: SQLite takes 32,766 parameters in one statement, and a long one keeps all others waiting. */
export const NAMES_MAX = 500;
/** Certificates in one `sync` of some. */
export const SYNC_MAX = 1_000;

/** Names of certificates whose record differs from the configuration. */
export interface CertificateChanges {
  /** Also those that come back. */
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

export interface CertificateStore {
  /**
   * As configured: new and changed ones are due at once, back-off and quarantine cleared; missing ones are removed. With
   * `names` (at most `SYNC_MAX`) only those, configured or not.
   */
  sync(certificates: readonly Certificate[], now: number, names?: readonly string[]): Promise<CertificateChanges>;
  /** What `sync` would do now. */
  changes(certificates: readonly Certificate[]): Promise<CertificateChanges>;
  /** Creates the records that are missing, due now, and leaves all others as they are. Returns their names. */
  addMissing(certificates: readonly Certificate[], now: number): Promise<string[]>;
  get(name: string): Promise<CertificateRecord | null>;
  /** Holds the rows until the transaction ends; call it before anything else of these certificates is changed. */
  lock(names: readonly string[]): Promise<void>;
  /** With `names` (at most `NAMES_MAX`), only those; so in all lists below. */
  list(names?: readonly string[]): Promise<CertificateRecord[]>;
  /** Those that left the configuration, the latest first. */
  removed(limit: number): Promise<CertificateRecord[]>;
  /** Those whose next check is due and that were not removed, the most urgent first. */
  due(now: number, limit: number): Promise<CertificateRecord[]>;
  update(name: string, patch: Partial<Omit<CertificateRecord, "name">>): Promise<void>;
  /** Compare-and-set on the `seen` check and configuration. False: one of them changed, nothing was written. */
  moveCheck(seen: Pick<CertificateRecord, "name" | "digest" | "nextCheckAt">, to: number | null): Promise<boolean>;
  /** Takes those whose endpoints are to be dialled, setting when that is next; of several verifiers one gets each. */
  claimObservations(terms: DueClaim): Promise<string[]>;
  /** How many that were not removed have no check that was due before. */
  countSeen(before: number): Promise<number>;
  /** Those whose expiry warning is due. */
  expiring(now: number, limit: number): Promise<CertificateRecord[]>;
  /** Compare-and-set on the instant. False: it has changed, nothing was written. */
  moveExpiryWarning(name: string, from: number | null, to: number | null): Promise<boolean>;
  /** The latest instant at which the endpoints of a certificate are due to be dialled; null: none ever was claimed. */
  lastObservationDue(): Promise<number | null>;
  /** Looks at endpoints and rehearsals that are due later than this are due then; null: they stay. */
  bringForward(terms: { readonly observationBy: number; readonly rehearsalBy: number | null }): Promise<void>;
  /** As `claimObservations`, for rehearsals. */
  claimRehearsals(terms: DueClaim): Promise<string[]>;
  /** As `claimRehearsals`, of this one. False: it is not due, or another planner has it. */
  claimRehearsal(name: string, terms: Pick<DueClaim, "now" | "nextAt">): Promise<boolean>;
}

export interface VersionStore {
  latest(certificate: string): Promise<Version | null>;
  get(certificate: string, generation: number): Promise<Version | null>;
  /**
   * Oldest first; a row that cannot be read is left out. The methods that return one version throw `store.unreadable`.
   */
  list(certificate: string): Promise<Version[]>;
  /** These generations of these certificates, as far as each has them. */
  listOf(names: readonly string[], generations: readonly number[]): Promise<Version[]>;
  /** The newest version below this generation. */
  before(certificate: string, generation: number): Promise<Version | null>;
  /** The latest version of every certificate that has one. A row that cannot be read is reported instead. */
  listLatest(onUnreadable?: (version: UnreadableVersion) => void, names?: readonly string[]): Promise<Version[]>;
  /** Who issued the latest version of each certificate, as its row says: seals are not checked. */
  origins(): Promise<Pick<Version, "certificate" | "generation" | "issuer" | "directory">[]>;
  /** Seals the key. Rejects a second version of the same generation. */
  insert(version: Version, privateKey: Secret): Promise<void>;
  /** Opens the sealed key; throws `store.sealed` when the master key does not fit. */
  privateKey(certificate: string, generation: number): Promise<Secret>;
  /** Of any generation; null: renewd holds none. */
  bySerial(serial: string): Promise<Version | null>;
  /** The name of its issuer changed, or its directory is known now. */
  setOrigin(certificate: string, generation: number, origin: Pick<Version, "issuer" | "directory">): Promise<void>;
  /** The first instant stays. */
  markRevoked(certificate: string, generation: number, at: number): Promise<void>;
  /** `known`: the version as it was read just now; absent: it is read first. */
  markVerified(certificate: string, generation: number, at: number, known?: Version): Promise<void>;
}

export interface DeploymentStore {
  /**
   * In lists and claims a receipt that cannot be read is null; `receipt` throws `store.unreadable`, or `store.altered`
   * for a row that somebody else wrote. Such a row cannot be claimed.
   */
  list(certificate: string): Promise<Deployment[]>;
  listAll(names?: readonly string[]): Promise<Deployment[]>;
  /** Which have a receipt, as far as their rows say. */
  received(): Promise<Pick<Deployment, "certificate" | "target">[]>;
  /** Those that hold a pair by a release that recorded no definition of their target. */
  withoutDefinition(): Promise<Deployment[]>;
  get(certificate: string, target: string): Promise<Deployment | null>;
  receipt(certificate: string, target: string): Promise<DeployReceipt | null>;
  /**
   * Creates missing rows, raises wantedGeneration, clears attempts, openClaims, back-off, exhaustion and errors; drops
   * targets not named. Nothing of a row that somebody else wrote is kept: returns the targets of such rows.
   */
  want(certificate: string, targets: readonly string[], generation: number): Promise<string[]>;
  /**
   * The target may not hold its pair any more: deployedGeneration becomes 0, and a worker deploying to it loses its
   * claim.
   */
  forget(certificate: string, target: string): Promise<void>;
  /** For a target that left the configuration and holds nothing any more. */
  remove(certificate: string, target: string): Promise<void>;
  /**
   * Raises the fence and openClaims and takes the lease if it `isClaimable`; else null. `known`: the row as it was read
   * just now; absent: it is read first.
   */
  claim(
    certificate: string,
    target: string,
    now: number,
    leaseMs: number,
    known?: Deployment,
  ): Promise<Deployment | null>;
  /**
   * The target holds the wanted generation now, which is due for inspection; lease, claims, back-off and errors end.
   * Compare-and-set on fence and wanted generation.
   */
  recordDeployed(
    claimed: Deployment,
    done: { readonly deployedAt: number; readonly targetDigest: string | null; readonly receipt: DeployReceipt },
  ): Promise<boolean>;
  /** From now on those of these targets that do not back off wait for a deployer. */
  offer(certificate: string, targets: readonly string[], now: number): Promise<void>;
  /** Compare-and-set on the fence. A pair that was just deployed is due for inspection. */
  update(certificate: string, target: string, fence: number, patch: DeploymentPatch): Promise<boolean>;
  /**
   * Takes deployments whose inspection is due, most overdue first, and sets when the next one is. Each goes to one of
   * several deployers. Only targets that hold the wanted generation, which renewd itself deployed there.
   */
  claimInspections(page: InspectionPage): Promise<Deployment[]>;
  /** The certificate's targets are inspected at this instant, or earlier if that is due already. */
  inspectBy(certificate: string, at: number): Promise<void>;
  /** Which of these certificates have a target that is inspected after this instant only. */
  inspectedAfter(names: readonly string[], at: number): Promise<readonly string[]>;
}

export interface InspectionPage {
  readonly targets: readonly string[];
  readonly now: number;
  readonly nextAt: number;
  readonly limit: number;
}

export type DeploymentPatch = Partial<
  Pick<
    Deployment,
    | "deployedGeneration"
    | "deployedAt"
    | "targetDigest"
    | "leaseUntil"
    | "openClaims"
    | "attempts"
    | "nextAttemptAt"
    | "exhausted"
    | "errorCode"
    | "errorMessage"
    | "inspectionProblem"
  >
> & { readonly receipt?: DeployReceipt };

export interface RenewalInfoStore {
  /** Starts to poll for a new version, at once; only `overdueInRow` and `orderedAt` outlive the version before. */
  watch(certificate: string, generation: number, now: number): Promise<void>;
  get(certificate: string): Promise<RenewalInfoRecord | null>;
  list(names?: readonly string[]): Promise<RenewalInfoRecord[]>;
  /** Those whose next poll has come, most overdue first. */
  due(now: number, limit: number): Promise<RenewalInfoRecord[]>;
  /** False: it is about another version by now, nothing was written. */
  update(
    certificate: string,
    generation: number,
    patch: Partial<Omit<RenewalInfoRecord, "certificate" | "generation">>,
  ): Promise<boolean>;
}
