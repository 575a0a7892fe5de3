import { isIPv4 } from "node:net";

/** A zone that its parent delegates to renewd. Names are lower-case A-labels without a final dot. */
export interface ServedZone {
  readonly name: string;
  /** At least one; `addresses` of those inside the zone, which nobody else can answer for. */
  readonly nameServers: readonly { readonly name: string; readonly addresses: readonly string[] }[];
  /** Values of CAA records at the zone's name, such as `issue "letsencrypt.org"`; empty: none. */
  readonly caa: readonly CaaRecord[];
}

export interface CaaRecord {
  readonly tag: "issue" | "issuewild" | "iodef";
  readonly value: string;
}

/** The longest zone that the name is in; null: none. */
export function zoneFor<Zone extends Pick<ServedZone, "name">>(zones: readonly Zone[], name: string): Zone | null {
  const containing = zones.filter((zone) => name === zone.name || name.endsWith(`.${zone.name}`));
  return containing.reduce<Zone | null>(
    (longest, zone) => (longest === null || zone.name.length > longest.name.length ? zone : longest),
    null,
  );
}

export function addressesOf(zone: ServedZone, name: string, family: 4 | 6): readonly string[] {
  const addresses = zone.nameServers.filter((server) => server.name === name).flatMap((server) => server.addresses);
  return addresses.filter((address) => isIPv4(address) === (family === 4));
}
