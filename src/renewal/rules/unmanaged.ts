import type { Certificate } from "../../domain/certificate.ts";
import { type InventoryEntry, isIgnored } from "../../domain/inventory.ts";

/**
 * `managed`: a version of a configured certificate. `watched`: another one, at an endpoint that the configuration names.
 * `unmanaged`: nobody renews it here, and nobody is told when it ends.
 */
export const MANAGEMENT = ["managed", "watched", "unmanaged"] as const;
export type Management = (typeof MANAGEMENT)[number];

export type ManagementOf = (entry: Pick<InventoryEntry, "managedAs" | "places">) => Management;

/** `watched`: further endpoints that are looked at, as `sni host:port`. */
export function managementBy(
  certificates: readonly Pick<Certificate, "name" | "endpoints">[],
  watched: ReadonlySet<string> = new Set(),
): ManagementOf {
  const names = new Set(certificates.map(({ name }) => name));
  const endpoints = new Set([
    ...watched,
    ...certificates.flatMap(({ endpoints: all }) => all.map(({ sni, host, port }) => `${sni} ${host}:${port}`)),
  ]);
  return ({ managedAs, places }) => {
    if (managedAs !== null && names.has(managedAs)) return "managed";
    const isWatched = places.some(
      ({ endpoint }) =>
        endpoint !== null &&
        [endpoint.host, endpoint.address, endpoint.sni].some((host) =>
          endpoints.has(`${endpoint.sni} ${host}:${endpoint.port}`),
        ),
    );
    return isWatched ? "watched" : "unmanaged";
  };
}

/** Whether people should hear of it: nobody manages it, nobody has said that this is right, and clients may meet it. */
export function isNews(entry: InventoryEntry, managementOf: ManagementOf, now: number): boolean {
  if (isIgnored(entry, now) || managementOf(entry) !== "unmanaged") return false;
  // What has expired in a file is forgotten there; what is still served is not.
  return entry.certificate.notAfter > now || entry.places.some(({ endpoint }) => endpoint !== null);
}

/** Ends within this time, or in the last third of its life where that is shorter. */
export function endsSoon(
  { certificate: { notBefore, notAfter } }: Pick<InventoryEntry, "certificate">,
  withinMs: number,
  now: number,
): boolean {
  return notAfter - now < Math.min(withinMs, (notAfter - notBefore) / 3);
}
