import type { StartTlsProtocol } from "./endpoint.ts";

/** What can be asked for certificates, cheapest first. */
export const DISCOVERY_SOURCES = [
  "servers",
  "clients",
  "files",
  "targets",
  "lemur",
  "hosts",
  "sni",
  "zones",
  "networks",
  "ct",
] as const;
export type DiscoverySourceName = (typeof DISCOVERY_SOURCES)[number];

/** A certificate as it was found. Text in it is foreign and already one bounded line. Instants are ms since epoch. */
export interface FoundCertificate {
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint: string;
  /** SHA-256 of the subjectPublicKeyInfo, lower-case hex: certificates with the same have one key. */
  readonly key: string;
  readonly serial: string;
  readonly subject: string;
  readonly issuer: string;
  /** Lower-case DNS names and IP addresses. */
  readonly names: readonly string[];
  readonly notBefore: number;
  readonly notAfter: number;
  /** Such as `ECDSA P-256`. */
  readonly keyText: string;
}

/** Where a certificate was found, by one source. */
export interface FoundPlace {
  readonly source: DiscoverySourceName;
  /** One line for people: `www.example.org at 192.0.2.1:443`, a file, an ARN. Unique in its source. */
  readonly place: string;
  /** null: nothing that clients dial. */
  readonly endpoint: FoundEndpoint | null;
  /** Options of a target that would write there, `type` first; null: not known. Never a secret. */
  readonly target: FoundTarget | null;
}

export interface FoundEndpoint {
  readonly host: string;
  readonly port: number;
  /** The address that was dialled. */
  readonly address: string;
  readonly sni: string;
  readonly starttls: StartTlsProtocol | null;
}

export type FoundTarget = Readonly<Record<string, string | boolean | readonly string[]>>;

export interface Sighting {
  readonly certificate: FoundCertificate;
  readonly place: FoundPlace;
}

/** Why nobody has to do anything about it, until when. */
export interface Ignored {
  readonly reason: string;
  readonly by: string | null;
  /** ms since epoch. */
  readonly at: number;
  readonly until: number;
}

export interface InventoryPlace extends FoundPlace {
  /** ms since epoch. */
  readonly firstSeen: number;
  readonly lastSeen: number;
}

/** One certificate with all its places. Instants are ms since epoch. */
export interface InventoryEntry {
  readonly certificate: FoundCertificate;
  readonly firstSeen: number;
  readonly lastSeen: number;
  /** null: it is not, and never was or not any more. */
  readonly ignored: Ignored | null;
  /** What people were notified of: nothing, that nobody manages it, or that it ends soon as well. */
  readonly announced: Announced;
  readonly places: readonly InventoryPlace[];
  /** The configured certificate of which it is a version; null: renewd did not issue it and did not import it. */
  readonly managedAs: string | null;
}

export const ANNOUNCED = { nothing: 0, unmanaged: 1, expiring: 2 } as const;
export type Announced = (typeof ANNOUNCED)[keyof typeof ANNOUNCED];

/** How the last run of one source went. Instants are ms since epoch. */
export interface SourceRun {
  readonly source: DiscoverySourceName;
  readonly startedAt: number;
  readonly finishedAt: number;
  /** Different certificates. */
  readonly found: number;
  /** Sentences about what could not be read or asked, or was left out. */
  readonly problems: readonly string[];
}

/** Rows that a page or a report shows at most. */
export const INVENTORY_MAX = 20_000;

/** What is left out selects everything. */
export interface InventoryFilter {
  readonly fingerprints?: readonly string[];
  readonly key?: string;
  /** Seen by it. */
  readonly source?: string;
  /** Ends before, ms since epoch. */
  readonly endsBefore?: number;
}

export interface InventoryStore {
  /** Adds what is new, and says of all that it was seen now. */
  record(sightings: readonly Sighting[], now: number): Promise<void>;
  /** Those that end first come first, at most `INVENTORY_MAX`. A row that somebody else wrote is left out. */
  list(filter?: InventoryFilter): Promise<InventoryEntry[]>;
  /** Of all rows. */
  count(): Promise<number>;
  /** Whose fingerprint begins so, at most two. */
  find(prefix: string): Promise<InventoryEntry[]>;
  /** null: it is ignored no longer. */
  ignore(fingerprint: string, ignored: Ignored | null): Promise<void>;
  announce(fingerprints: readonly string[], announced: Announced): Promise<void>;
  /** Removes places that were last seen before, and certificates that have none left. */
  forget(before: number): Promise<void>;
  /** False: another planner has begun a scheduled run less than this ago. */
  claimRun(now: number, everyMs: number): Promise<boolean>;
  saveRun(run: SourceRun): Promise<void>;
  runs(): Promise<SourceRun[]>;
}

/** Whether it is ignored at this instant. */
export function isIgnored({ ignored }: Pick<InventoryEntry, "ignored">, now: number): boolean {
  return ignored !== null && now < ignored.until;
}
