import type { Certificate } from "../domain/certificate.ts";
import { endpointPlace, placeOfKey } from "../domain/endpoint.ts";
import type { Store } from "../domain/store.ts";
import { formatAgo, formatDuration } from "../domain/time.ts";
import type { Version } from "../domain/version.ts";
import { expiryWarningAt } from "../renewal/rules/window.ts";
import type { ConfiguredFleet } from "./configured.ts";
import { iso } from "./instant.ts";
import type { Notice } from "./notices.ts";

/** The latest to leave come first; an estate that changes daily leaves thousands behind. */
const LOOKED_AT_MAX = 200;
const PLACES_SHOWN_MAX = 3;

/** A certificate that left the configuration while an endpoint served it, and still does. Instants are ISO 8601. */
export interface UnmanagedEntry {
  readonly certificate: string;
  /** Host and port. */
  readonly servedAt: readonly string[];
  readonly serial: string;
  readonly expiresAt: string;
  readonly leftAt: string | null;
}

interface Unmanaged {
  readonly version: Version;
  readonly places: readonly string[];
  readonly removedAt: number | null;
}

/**
 * Certificates that left the configuration while an endpoint served them. Nothing renews them any more, so they end in
 * front of clients. Not those whose endpoint another certificate has by now, as after a rename.
 */
async function findUnmanaged(store: Store, fleet: Configured, now: number): Promise<Unmanaged[]> {
  const removed = await store.certificates.removed(LOOKED_AT_MAX);
  const configured = new Set((await fleet.named(removed.map(({ name }) => name))).map(({ name }) => name));
  const left = removed.filter(({ name }) => !configured.has(name));
  if (left.length === 0) return [];
  const names = left.map(({ name }) => name);
  // An altered row is the audit's finding.
  const versions = new Map(
    (await store.versions.listLatest(undefined, names)).map((version) => [version.certificate, version]),
  );
  const observed = Map.groupBy(await store.observations.allObservations(names), ({ certificate }) => certificate);
  const served: Unmanaged[] = [];
  for (const { name, removedAt } of left) {
    const version = versions.get(name);
    if (version === undefined || version.leaf.notAfter <= now || version.revokedAt !== null) continue;
    const places = (observed.get(name) ?? [])
      .filter(({ observation: { served } }) => served?.fingerprint === version.leaf.fingerprint)
      .map(({ endpoint }) => placeOfKey(endpoint));
    if (places.length > 0) served.push({ version, places, removedAt });
  }
  return served.length === 0 ? [] : withoutManaged(served, await fleet.all());
}

function withoutManaged(served: readonly Unmanaged[], certificates: readonly Certificate[]): Unmanaged[] {
  const managed = new Set(certificates.flatMap(({ endpoints }) => endpoints.map(endpointPlace)));
  return served.flatMap(({ places, ...each }) => {
    const left = places.filter((place) => !managed.has(place)).map((place) => place.slice(place.indexOf("@") + 1));
    return left.length === 0 ? [] : [{ ...each, places: [...new Set(left)] }];
  });
}

type Configured = Pick<ConfiguredFleet, "named" | "all">;

export async function unmanagedEntries(store: Store, fleet: Configured, now: number): Promise<UnmanagedEntry[]> {
  return (await findUnmanaged(store, fleet, now)).map(({ version: { certificate, leaf }, places, removedAt }) => ({
    certificate,
    servedAt: places,
    serial: leaf.serial,
    expiresAt: iso(leaf.notAfter),
    leftAt: iso(removedAt),
  }));
}

export async function unmanaged(store: Store, fleet: Configured, now: number): Promise<Notice[]> {
  return (await findUnmanaged(store, fleet, now)).map(({ version: { certificate, leaf }, places, removedAt }) => {
    const shown = places.slice(0, PLACES_SHOWN_MAX).join(", ");
    const more = places.length > PLACES_SHOWN_MAX ? ` and ${places.length - PLACES_SHOWN_MAX} more` : "";
    return {
      id: `unmanaged/${certificate}`,
      kind: "unmanaged",
      what:
        `${certificate} left the configuration ${formatAgo(now - (removedAt ?? now))} while ${shown}${more} ` +
        `served it: nothing renews it, and it expires in ${formatDuration(leaf.notAfter - now)}`,
      action:
        "Put it back into the configuration, or take it out of service there. Until then it can be acknowledged: " +
        `\`renewd acknowledge unmanaged/${certificate} --reason "goes out of service"\`.`,
      needsPerson: now >= expiryWarningAt(leaf),
      certificates: [certificate],
    };
  });
}
