import { isIP } from "node:net";
import type { DiscoveryConfig } from "../config/config.ts";
import { fetchLogged } from "../discovery/certificateTransparency.ts";
import { addressesIn } from "../domain/addressRange.ts";
import type { DiscoveryReport } from "../domain/discovery.ts";
import { toRenewalError } from "../domain/errors.ts";
import type { FoundEndpoint } from "../domain/inventory.ts";
import type { Context } from "../renewal/context.ts";
import type { Seen } from "../renewal/watch/discover.ts";
import { transferNames } from "../solvers/dns/transfer.ts";
import type { Sweep, SweepPlace } from "../tls/scan/sweep.ts";
import type { SourceMaker } from "./discoveryHeld.ts";
import type { Reader } from "./reader.ts";

/** Names asked for at one address: a certificate shared by strangers must not have them all dialled. */
const NAMES_PER_ADDRESS_MAX = 200;
const PROBES_MAX = 20_000;
const PICKS_MAX = 200;

/** Places that the configuration or the command names, and whole networks. */
export function networkSource(
  { hosts, networks }: DiscoveryConfig,
  sweep: Sweep,
  name: "hosts" | "networks",
): SourceMaker {
  const places = function* (): Generator<SweepPlace> {
    for (const { network, ports } of networks)
      for (const host of addressesIn(network)) for (const port of ports) yield { host, port };
  };
  const written = hosts.map((host): SweepPlace => host);
  return {
    name,
    make: () => ({
      name,
      look: (report, signal) =>
        name === "hosts"
          ? sweep.dial(written, { isQuiet: false }, report, signal)
          : sweep.dial(places(), { isQuiet: true }, report, signal),
    }),
  };
}

/** Every name seen at an address is asked for there; and names of web servers' configurations where they lead. */
export function sniSource({ store }: Pick<Reader, "store">, sweep: Sweep): SourceMaker {
  return {
    name: "sni",
    make: (seen) => ({
      name: "sni",
      async look(report, signal) {
        const known = await knownAddresses(store, seen);
        await sweep.dial([...seen.candidates, ...probes(known, report)], { isQuiet: true }, report, signal);
      },
    }),
  };
}

interface KnownAddress {
  readonly endpoint: FoundEndpoint;
  readonly names: readonly string[];
}

async function knownAddresses(store: Reader["store"], { sightings }: Seen): Promise<KnownAddress[]> {
  const entries = await store.inventory.list();
  const stored = entries.flatMap(({ certificate, places }) =>
    places.flatMap(({ endpoint }) => (endpoint === null ? [] : [{ endpoint, names: certificate.names }])),
  );
  const fresh = sightings.flatMap(({ certificate, place: { endpoint } }) =>
    endpoint === null ? [] : [{ endpoint, names: certificate.names }],
  );
  const observed = (await store.observations.allObservations()).flatMap(({ observation }) => {
    const { address, port, sni, served } = observation;
    if (served === null) return [];
    return [{ endpoint: { host: address, port, address, sni, starttls: null }, names: served.subjectAltNames }];
  });
  return [...fresh, ...stored, ...observed];
}

function* probes(known: readonly KnownAddress[], report: DiscoveryReport): Generator<SweepPlace> {
  const asked = new Set(known.map(({ endpoint: { address, port, sni } }) => `${address} ${port} ${sni}`));
  const perAddress = new Map<string, number>();
  let total = 0;
  for (const { endpoint, names } of known)
    for (const sni of names) {
      const { address, port, starttls } = endpoint;
      const id = `${address} ${port} ${sni}`;
      if (sni.includes("*") || isIP(sni) !== 0 || asked.has(id)) continue;
      asked.add(id);
      const here = (perAddress.get(`${address} ${port}`) ?? 0) + 1;
      perAddress.set(`${address} ${port}`, here);
      if (here > NAMES_PER_ADDRESS_MAX) continue;
      total += 1;
      if (total > PROBES_MAX)
        return report.problem(`more than ${PROBES_MAX} names at known addresses: the rest was left out`);
      yield { host: address, port, sni, ...(starttls !== null && { starttls }) };
    }
}

/** Names of DNS zones, by the credentials of dns-01 solvers or by zone transfers, dialled. */
export function zoneSource(
  { config, services }: Pick<Reader, "config"> & Pick<Context, "services">,
  { zones: { solvers, transfers, ports } }: DiscoveryConfig,
  sweep: Sweep,
): SourceMaker {
  const namesOf = async (solver: string, signal: AbortSignal): Promise<readonly string[] | null> => {
    const { dns } = services.solver(solver);
    if (dns?.zoneNames === undefined) return null;
    const zones = config.solvers.get(solver)?.zones ?? [];
    const used = config.certificates
      .filter((each) => each.solvers.includes(solver))
      .flatMap((each) => each.identifiers);
    const names = used.flatMap(({ type, value }) => (type === "dns" ? [value.replace(/^\*\./, "")] : []));
    return (await dns.zoneNames(zones.length > 0 ? zones : names, signal)).flatMap((zone) => zone.names);
  };
  return {
    name: "zones",
    make: () => ({
      name: "zones",
      async look(report, signal) {
        const names = new Set<string>();
        const add = async (what: string, ask: () => Promise<readonly string[] | null>): Promise<void> => {
          try {
            const found = await ask();
            if (found === null) report.problem(`${what}: this kind of provider cannot list names`);
            for (const each of found ?? []) names.add(each);
          } catch (thrown) {
            signal.throwIfAborted();
            report.problem(`${what}: ${toRenewalError(thrown).message}`);
          }
        };
        for (const solver of solvers) await add(`solver ${solver}`, () => namesOf(solver, signal));
        for (const { zone, server } of transfers) {
          const at = { address: server.host, port: server.port };
          await add(`zone ${zone}`, () => transferNames({ server: at, zone }, signal));
        }
        // Wildcards answer for anything, and names with an underscore are no hosts.
        const hosts = [...names].filter((each) => !/^\*\.|(?:^|\.)_/.test(each));
        const places = hosts.flatMap((host) => ports.map((port) => ({ host, port })));
        await sweep.dial(places.slice(0, PROBES_MAX), { isQuiet: true }, report, signal);
        if (places.length > PROBES_MAX) report.problem(`more than ${PROBES_MAX} names: the rest was not dialled`);
      },
    }),
  };
}

/** What a person picked of what Certificate Transparency knows. */
export function ctSource(
  { ct }: DiscoveryConfig,
  picked: readonly { readonly id: string; readonly serial: string }[],
): SourceMaker {
  const { host } = new URL(ct.certificate.replaceAll("{id}", "x"));
  return {
    name: "ct",
    make: () => ({
      name: "ct",
      async look(report, signal) {
        for (const each of picked.slice(0, PICKS_MAX)) {
          const certificate = await fetchLogged(each, ct.certificate, signal);
          if (certificate === null)
            report.problem(`${host}: what it gives out for serial ${each.serial} is another one`);
          else report.found(certificate, { place: `${host}: ${each.id}`, endpoint: null, target: null });
        }
        if (picked.length > PICKS_MAX) report.problem(`more than ${PICKS_MAX} were picked: the rest was left out`);
      },
    }),
  };
}
