import { type Kysely, PostgresAdapter } from "kysely";
import type { Alert, AlertReceipt } from "../domain/alert.ts";
import type { Bucket, Reservation } from "../domain/budget.ts";
import type { CertificateRecord } from "../domain/certificate.ts";
import type { Deployment, EndpointStatus } from "../domain/deployment.ts";
import type { DnsRecord } from "../domain/dnsRecord.ts";
import type { Drill } from "../domain/drill.ts";
import type { HistoryEvent } from "../domain/event.ts";
import type { Exercise } from "../domain/exercise.ts";
import type { Acknowledgement, Heartbeat } from "../domain/heartbeat.ts";
import type { HorizonEntry } from "../domain/horizon.ts";
import type { FoundCertificate, InventoryPlace, SourceRun } from "../domain/inventory.ts";
import type { LeftTarget } from "../domain/leftTarget.ts";
import type { ChannelCursor } from "../domain/notification.ts";
import type { Peer } from "../domain/peer.ts";
import type { Renewal } from "../domain/renewal.ts";
import type { RenewalInfoRecord } from "../domain/renewalInfo.ts";
import type { Replacement, ReplacementMember } from "../domain/replacement.ts";
import type { ServedChange, ServedPlace } from "../domain/served.ts";
import type { Version } from "../domain/version.ts";
import type { WebAnswer, WebGrant } from "../domain/webAccess.ts";
import { repeatedOnConflict } from "./dialect/driver.ts";

export type Dialect = "sqlite" | "postgresql";

/** 0 or 1: SQLite has no boolean. */
type Flag = number;
/** JSON as text: the same in both dialects, read back through `json.ts`. */
type Json = string;
/** See `rowSeal.ts`. Null only where somebody else wrote the row, or in challenges of an older release. */
export interface Sealed {
  seal: string | null;
}

/**
 * The tables as queries see them. Columns are snake_case in SQL and camelCase here (`dialect/names.ts`), so a
 * row without JSON or sealed columns is the domain's record itself.
 */
export interface Schema {
  certificates: CertificateRecord & Sealed;
  versions: Omit<Version, "leaf" | "chainPem" | "droppedNames"> & {
    leaf: Json;
    chainPem: Json;
    droppedNames: Json | null;
    sealedKey: string;
  } & Sealed;
  /** The order's state lives on the renewal's row so that one statement can compare the fence and write it. */
  renewals: Renewal & Sealed & { sealedKey: string | null; orderUrl: string | null; csr: string | null };
  deployments: Omit<Deployment, "exhausted" | "receipt" | "isReceiptDamaged" | "isAltered"> & {
    exhausted: Flag;
    receipt: Json | null;
    nextInspectionAt: number | null;
  } & Sealed;
  endpointStatuses: Omit<EndpointStatus, "proved"> & { proved: Flag } & Sealed;
  observations: { certificate: string; endpoint: string; address: string; body: Json; evidence: Json | null } & Sealed;
  renewalInfos: RenewalInfoRecord & Sealed;
  /** `seal` is null in rows older than sealing. */
  events: Omit<HistoryEvent, "detail"> & { detail: Json; seal: string | null };
  /** One row: events have every number from `firstSealed` to `last`. The seal covers all of it. */
  historyHead: {
    id: number;
    firstSealed: number;
    last: number;
    /** Retention removed every event up to this number, at `prunedAt`; the digest is over their seals. */
    prunedTo: number;
    prunedAt: number | null;
    prunedDigest: string | null;
    seal: string;
  };
  /** One row per issuer and set of names ever ordered; the renewal may have ended since. */
  orderScopes: { scope: string; renewalId: string };
  challenges: { token: string; keyAuthorization: string; expiresAt: number } & Sealed;
  dnsRecords: DnsRecord & Sealed;
  dnsLocks: { key: string; holder: string; until: number };
  /** `nextAt`: when the credential's next request would be due without a burst. */
  dnsRates: { key: string; nextAt: number; silentUntil: number };
  accounts: {
    issuer: string;
    directory: string;
    url: string | null;
    sealedKey: string;
    sealedPendingKey: string | null;
    contactDigest: string | null;
  } & Sealed;
  ledger: Bucket;
  reservations: Reservation & { renewalId: string };
  replacements: Replacement & Sealed;
  replacementMembers: ReplacementMember & Sealed;
  drills: Pick<Drill, "id" | "startedAt" | "finishedAt"> & { body: Json } & Sealed;
  exercises: Pick<Exercise, "id" | "startedAt" | "finishedAt"> & { body: Json } & Sealed;
  peers: Pick<Peer, "name"> & { body: Json } & Sealed;
  horizon: Pick<HorizonEntry, "subject" | "what"> & { body: Json } & Sealed;
  leftTargets: Omit<LeftTarget, "receipt"> & { receipt: Json } & Sealed;
  crls: { url: string; nextFetchAt: number };
  /** `notAfter`, `key` and `serial` are of the certificate in `body`. */
  inventory: Pick<FoundCertificate, "fingerprint" | "key" | "serial" | "notAfter"> & {
    body: Json;
    firstSeen: number;
    lastSeen: number;
    ignored: Json | null;
    announced: number;
  } & Sealed;
  inventoryPlaces: Pick<InventoryPlace, "place" | "firstSeen" | "lastSeen"> & {
    fingerprint: string;
    source: string;
    body: Json;
  } & Sealed;
  discoveryRuns: Omit<SourceRun, "source" | "problems"> & { source: string; problems: Json } & Sealed;
  alerts: Pick<Alert, "id" | "cause" | "openedAt" | "resolvedAt"> & { rule: string; body: Json } & Sealed;
  alertReceipts: Omit<AlertReceipt, "outcome"> & { outcome: string };
  /** One row. */
  alertStates: { id: number; body: Json } & Sealed;
  channelCursors: ChannelCursor & Sealed;
  heartbeats: Omit<Heartbeat, "role" | "targets" | "vantage" | "problems"> & {
    role: string;
    targets: Json;
    problems: Json;
  } & Sealed;
  /** One row. */
  appliedConfigurations: { id: number; file: string; digest: string; body: Json } & Sealed;
  /** `digest`: over `body`. */
  appliedCertificates: { name: string; digest: string; body: Json } & Sealed;
  /** The digest of `members` is in `body`. */
  steadyParts: { after: string; last: string | null; checkedAt: number; body: Json; members: Json } & Sealed;
  acknowledgements: Omit<Acknowledgement, "kinds"> & { kinds: Json } & Sealed;
  webGrants: Omit<WebGrant, "kind"> & { kind: string } & Sealed;
  webAnswers: WebAnswer;
  eventTotals: { type: string; count: number };
  /** `boundMs`: the smallest bucket that holds the duration; -1: longer than all. */
  stageTotals: { stage: string; boundMs: number; count: number; sumMs: number };
  /** One row: every event up to this number is counted. */
  totalsCounted: { id: number; seq: number };
  vantageLooks: { vantage: string; certificate: string; nextLookAt: number };
  /** `place`: `endpointPlace()` of its endpoint. */
  watchedEndpoints: {
    key: string;
    origin: string;
    place: string;
    definition: Json;
    look: Json | null;
    vantage: string | null;
    nextLookAt: number;
  } & Sealed;
  /** `der` in base64. */
  servedCertificates: { fingerprint: string; der: string; keyDigest: string };
  /** `digest`: SHA-256 over its fingerprints, so that leaves of one CA share a chain. */
  servedChains: { digest: string; position: number; fingerprint: string };
  servedPlaces: ServedPlace;
  /** `chain`: digest of a chain; null: nothing was sent after the leaf. */
  servedChanges: Omit<ServedChange, "chain"> & { chain: string | null } & Sealed;
  /** `definition` null: it was removed. */
  certificateDefinitions: {
    name: string;
    definition: Json | null;
    changedAt: number;
    changedBy: string | null;
    revision: number;
  } & Sealed;
  nameServerTotals: { transport: string; answer: string; count: number; lastAt: number };
  meta: { name: string; value: string };
}

/** A connection pool or one of its transactions: every port works with both. */
export type Db = Kysely<Schema>;

export function isPostgresql(db: Db): boolean {
  return db.getExecutor().adapter instanceof PostgresAdapter;
}

/** Runs `work` in the transaction `db` already is, or in a new one, which is repeated after a conflict with another. */
export function atomically<T>(db: Db, work: (trx: Db) => Promise<T>): Promise<T> {
  return db.isTransaction ? work(db) : repeatedOnConflict(() => db.transaction().execute(work));
}
