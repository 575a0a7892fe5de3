import { DISCOVERY_SOURCES, type InventoryEntry, isIgnored, type SourceRun } from "../domain/inventory.ts";
import type { Management, ManagementOf } from "../renewal/rules/unmanaged.ts";
import { iso } from "./instant.ts";

/** One certificate that was found, with all its places. Instants are ISO 8601. Text in it is foreign. */
export interface InventoryRow {
  /** SHA-256 of the DER. */
  readonly fingerprint: string;
  /** SHA-256 of its public key: certificates with the same have one key. */
  readonly key: string;
  readonly serial: string;
  readonly names: readonly string[];
  readonly subject: string;
  readonly issuer: string;
  readonly keyType: string;
  readonly notBefore: string;
  readonly notAfter: string;
  /** `watched`: not renewd's, at an endpoint that the configuration names. */
  readonly management: Management;
  /** The configured certificate that it is a version of; null: none. */
  readonly certificate: string | null;
  /** null: it is not, or not any more. */
  readonly ignored: { readonly reason: string; readonly by: string | null; readonly until: string } | null;
  readonly firstSeen: string;
  readonly lastSeen: string;
  readonly places: readonly InventoryPlaceEntry[];
}

export interface InventoryPlaceEntry {
  readonly source: string;
  readonly place: string;
  readonly firstSeen: string;
  readonly lastSeen: string;
}

/** How the last run of one source went. */
export interface DiscoveryRunEntry {
  readonly source: string;
  readonly startedAt: string;
  readonly finishedAt: string;
  /** Different certificates. */
  readonly found: number;
  readonly problems: readonly string[];
}

/** `renewd inventory list --json`. */
export interface InventoryReport {
  readonly version: 1;
  readonly at: string;
  /** Before any choice. */
  readonly total: number;
  /** Those that end first come first. */
  readonly certificates: readonly InventoryRow[];
  readonly runs: readonly DiscoveryRunEntry[];
}

export interface InventoryQuery {
  /** null: every source. */
  readonly source: string | null;
  /** Ends within this time in ms, or has ended; null: whenever. */
  readonly expiringMs: number | null;
  /** Only what nobody manages, without what is ignored. */
  readonly unmanaged: boolean;
}

export interface InventoryFacts {
  /** Those that the query may choose, at most `INVENTORY_MAX`. */
  readonly entries: readonly InventoryEntry[];
  /** Of all. */
  readonly total: number;
  readonly runs: readonly SourceRun[];
}

export function inventoryReport(
  { entries, total, runs }: InventoryFacts,
  { source, expiringMs, unmanaged }: InventoryQuery,
  managementOf: ManagementOf,
  now: number,
): InventoryReport {
  const chosen = entries.filter(
    (entry) =>
      (source === null || entry.places.some((place) => place.source === source)) &&
      (expiringMs === null || entry.certificate.notAfter - now < expiringMs) &&
      (!unmanaged || (managementOf(entry) === "unmanaged" && !isIgnored(entry, now))),
  );
  return {
    version: 1,
    at: iso(now),
    total,
    certificates: chosen.map((entry) => inventoryRow(entry, managementOf, now)),
    runs: runs
      .toSorted((a, b) => DISCOVERY_SOURCES.indexOf(a.source) - DISCOVERY_SOURCES.indexOf(b.source))
      .map(runEntry),
  };
}

export function inventoryRow(entry: InventoryEntry, managementOf: ManagementOf, now: number): InventoryRow {
  const { certificate, ignored, places, managedAs } = entry;
  const { fingerprint, key, serial, names, subject, issuer, keyText, notBefore, notAfter } = certificate;
  return {
    ...{ fingerprint, key, serial, names, subject, issuer, keyType: keyText },
    notBefore: iso(notBefore),
    notAfter: iso(notAfter),
    management: managementOf(entry),
    certificate: managedAs,
    ignored:
      ignored === null || !isIgnored(entry, now)
        ? null
        : { reason: ignored.reason, by: ignored.by, until: iso(ignored.until) },
    firstSeen: iso(entry.firstSeen),
    lastSeen: iso(entry.lastSeen),
    places: places.map(({ source, place, firstSeen, lastSeen }) => ({
      ...{ source, place },
      firstSeen: iso(firstSeen),
      lastSeen: iso(lastSeen),
    })),
  };
}

export function runEntry({ source, startedAt, finishedAt, found, problems }: SourceRun): DiscoveryRunEntry {
  return { source, startedAt: iso(startedAt), finishedAt: iso(finishedAt), found, problems };
}

/** `renewd inventory key --json`: everywhere this key was ever seen. */
export interface InventoryKeyReport {
  readonly version: 1;
  readonly at: string;
  readonly key: string;
  /** Every certificate with it, those that end first come first. */
  readonly certificates: readonly InventoryRow[];
}

/** `renewd inventory adopt --json`. */
export interface AdoptReport {
  readonly version: 1;
  readonly fingerprint: string;
  /** YAML to merge into the configuration. */
  readonly snippet: string;
}

/** `renewd inventory ignore --json`. */
export interface IgnoreReport {
  readonly version: 1;
  readonly fingerprint: string;
  /** null: it is ignored no longer. */
  readonly until: string | null;
}

/** A certificate that Certificate Transparency knows and the inventory does not: a person picks it by its serial. */
export interface LoggedEntry {
  readonly serial: string;
  readonly names: readonly string[];
  readonly issuer: string;
  readonly notBefore: string;
  readonly notAfter: string;
}

/** `renewd discover --json`. */
export interface DiscoverReport {
  readonly version: 1;
  readonly at: string;
  readonly runs: readonly DiscoveryRunEntry[];
  /** What was not known before. */
  readonly certificates: readonly InventoryRow[];
  readonly logged: readonly LoggedEntry[];
}
