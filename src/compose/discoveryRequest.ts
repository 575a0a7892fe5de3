import { isIP } from "node:net";
import { resolve } from "node:path";
import type { Config, DiscoveryConfig } from "../config/config.ts";
import { checkDialledNetwork, checkNetwork } from "../config/schema/discovery.ts";
import { checkHostAndPort } from "../config/schema/endpoints.ts";
import { type Checked, checkDnsName } from "../config/schema/identifiers.ts";
import { HTTPS_PORT } from "../domain/endpoint.ts";
import { RenewalError } from "../domain/errors.ts";
import { DISCOVERY_SOURCES, type DiscoverySourceName } from "../domain/inventory.ts";
import { parseSecretReference, SECRET_REFERENCE, SECRET_REFERENCE_ADVICE } from "../domain/secretReference.ts";
import { configuredSources, type DiscoverRequest } from "./discovery.ts";

/** As written on a command line. */
export interface WrittenDiscovery {
  /** Names of sources, or places: a file, `host:port`, a network, `zone:NAME@SERVER`, `ct:DOMAIN`. */
  readonly sources: readonly string[];
  readonly allow: readonly string[];
  readonly ports: readonly string[];
  /** References to passwords of PKCS#12 files. */
  readonly passwords: readonly string[];
  readonly picks: readonly string[];
}

/** What to do. Throws `request.invalid`, which names what is wrong. */
export function discoverRequest(config: Config, written: WrittenDiscovery): DiscoverRequest {
  const { discovery } = config;
  const names = DISCOVERY_SOURCES.filter((name) => written.sources.includes(name));
  const places = written.sources.filter((text) => !DISCOVERY_SOURCES.some((name) => name === text));
  const ports = written.ports.map(readPort);
  // Places on the command line stand alone; sources by name look where the configuration says.
  const given = readPlaces(places, ports.length > 0 ? ports : [HTTPS_PORT]);
  const settings: DiscoveryConfig = {
    ...discovery,
    allow: [...discovery.allow, ...written.allow.map((text) => checked("--allow", checkNetwork(text), text))],
    passwords: [...discovery.passwords, ...written.passwords.map(readPassword)],
    files: pick(names, "files", discovery.files, given.files),
    hosts: pick(names, "hosts", discovery.hosts, given.hosts),
    networks: pick(names, "networks", discovery.networks, given.networks),
    zones: {
      solvers: names.includes("zones") || places.length === 0 ? discovery.zones.solvers : [],
      transfers: pick(names, "zones", discovery.zones.transfers, given.transfers),
      ports: ports.length > 0 ? ports : discovery.zones.ports,
    },
    ct: { ...discovery.ct, domains: pick(names, "ct", discovery.ct.domains, given.domains) },
  };
  const asked = new Set<DiscoverySourceName>([...names, ...given.sources]);
  const sources = asked.size === 0 ? configuredSources(config) : DISCOVERY_SOURCES.filter((name) => asked.has(name));
  if (written.picks.length > 0 && !sources.includes("ct"))
    throw new RenewalError("request.invalid", "--pick: is for Certificate Transparency: add `ct` or `ct:DOMAIN`");
  return { sources, settings, picks: written.picks };
}

function pick<T>(
  names: readonly DiscoverySourceName[],
  name: DiscoverySourceName,
  configured: readonly T[],
  given: readonly T[],
): T[] {
  return names.includes(name) || (names.length === 0 && given.length === 0) ? [...configured, ...given] : [...given];
}

interface Places {
  readonly sources: Set<DiscoverySourceName>;
  readonly files: string[];
  readonly hosts: DiscoveryConfig["hosts"];
  readonly networks: DiscoveryConfig["networks"];
  readonly transfers: DiscoveryConfig["zones"]["transfers"];
  readonly domains: string[];
}

function readPlaces(places: readonly string[], ports: number[]): Places {
  const found: Places = { sources: new Set(), files: [], hosts: [], networks: [], transfers: [], domains: [] };
  for (const text of places) {
    if (/^(?:\/|\.{1,2}\/|\.{1,2}$)/.test(text)) {
      found.sources.add("files");
      found.files.push(resolve(text));
    } else if (text.startsWith("ct:")) {
      found.sources.add("ct");
      found.domains.push(checked("ct:DOMAIN", checkDnsName(text.slice(3)), text));
    } else if (text.startsWith("zone:")) {
      found.sources.add("zones");
      found.transfers.push(readTransfer(text));
    } else if (text.includes("/")) {
      found.sources.add("networks");
      found.networks.push({ network: checked("a network", checkDialledNetwork(text), text), ports });
    } else {
      // Sooner a source mistyped than a host without a dot.
      if (/^[A-Za-z-]+$/.test(text)) throw noSource(text);
      found.sources.add("hosts");
      const isWritten = /\]:\d+$|^[^:]+:\d+$/.test(text);
      for (const port of isWritten ? [HTTPS_PORT] : ports)
        found.hosts.push(checked("SOURCE", checkHostAndPort(isIP(text) === 6 ? `[${text}]` : text, port), text));
    }
  }
  return found;
}

function noSource(text: string): RenewalError {
  const shown = text.slice(0, 80);
  const sources = DISCOVERY_SOURCES.join(", ");
  return new RenewalError("request.invalid", `"${shown}" is no source: ${sources}; a host is written ${shown}:443`);
}

function readTransfer(text: string): DiscoveryConfig["zones"]["transfers"][number] {
  const [zone = "", server = "", ...rest] = text.slice("zone:".length).split("@");
  if (server === "" || rest.length > 0)
    throw new RenewalError("request.invalid", `"${text.slice(0, 80)}": write zone:example.org@ns1.example.org`);
  return {
    zone: checked("zone:", checkDnsName(zone), text),
    server: checked("zone:", checkHostAndPort(server, 53), text),
  };
}

function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw new RenewalError("request.invalid", `--port: "${text.slice(0, 20)}" is no port from 1 to 65535`);
}

function readPassword(text: string): ReturnType<typeof parseSecretReference> {
  // What was written may be the password itself, so it is not repeated.
  if (SECRET_REFERENCE.test(text)) return parseSecretReference(text);
  throw new RenewalError("request.invalid", `--password: ${SECRET_REFERENCE_ADVICE}`);
}

function checked<T>(what: string, result: Checked<T>, text: string): T {
  if (!("problem" in result)) return result.value;
  throw new RenewalError("request.invalid", `${what}: "${text.slice(0, 80)}" ${result.problem}`);
}
