import { isIPv4 } from "node:net";
import type { Config } from "../config/config.ts";
import { RenewalError } from "../domain/errors.ts";
import { sanitize } from "../domain/text.ts";
import type { DelegationRecord, DelegationReport } from "../reports/delegation.ts";
import { challengeName } from "../solvers/dns/challenge.ts";
import { createLookup, type Lookup } from "../solvers/dns/lookup.ts";
import { DNS_NAME } from "../solvers/dns/options.ts";
import { delegatedName, dnsServer, resolversOf, servedZones } from "../solvers/dns/server/kind.ts";
import { type ServedZone, zoneFor } from "../solvers/dns/server/zone.ts";
import { plainName } from "../solvers/dns/zone.ts";
import { loadConfigOrExplain } from "./reader.ts";

const CHECK_TIMEOUT_MS = 20_000;
const DNS_PORT = 53;

/**
 * The CNAME and NS records that let renewd's own name server answer for a certificate's names, or for one name.
 * `given`: another one than the solver's `resolvers`, or the system's.
 */
export async function delegationReport(
  configFile: string,
  subject: string,
  signal: AbortSignal,
  given?: Lookup,
): Promise<DelegationReport> {
  const config = await loadConfigOrExplain(configFile);
  const { solver, zones, names } = subjectOf(config, subject);
  const resolvers = resolversOf(config.solvers.get(solver)?.options);
  const lookup = given ?? createLookup({ resolvers, port: DNS_PORT });
  const [first] = zones;
  if (first === undefined) throw new RenewalError("request.invalid", `solver "${solver}" serves no zone`);
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(CHECK_TIMEOUT_MS)]);
  const used = new Map<string, ServedZone>();
  const aliases: Wanted[] = [];
  for (const name of names) {
    const challenge = challengeName({ identifier: { type: "dns", value: name } });
    const direct = zoneFor(zones, challenge);
    // A zone of the challenge's own name needs no alias: the NS records are at that name.
    const zone = direct ?? first;
    used.set(zone.name, zone);
    if (direct === null) aliases.push({ name: challenge, type: "CNAME", value: delegatedName(name, zone.name) });
  }
  return {
    version: 1,
    solver,
    aliases: await checked(lookup, aliases, bounded),
    delegation: await checked(lookup, once([...used.values()].flatMap(recordsOf)), bounded),
  };
}

type Wanted = Pick<DelegationRecord, "name" | "type" | "value">;

interface Subject {
  readonly solver: string;
  readonly zones: readonly ServedZone[];
  /** Without `*.`, each once. */
  readonly names: readonly string[];
}

function subjectOf(config: Config, subject: string): Subject {
  const certificate = config.certificates.find(({ name }) => name === subject);
  const all = [...config.solvers].filter(([, { plugin }]) => plugin.type === dnsServer.type).map(([name]) => name);
  const own = certificate === undefined ? all : all.filter((name) => certificate.solvers.includes(name));
  const [solver = all[0]] = own;
  if (solver === undefined)
    throw new RenewalError("request.invalid", `no solver of type ${dnsServer.type} is configured in ${config.file}`);
  const zones = servedZones(config.solvers.get(solver)?.options);
  if (certificate !== undefined) {
    const values = certificate.identifiers.filter(({ type }) => type === "dns").map(({ value }) => value);
    return { solver, zones, names: [...new Set(values.map((value) => value.replace(/^\*\./, "")))] };
  }
  const name = plainName(subject.replace(/^\*\./, ""));
  if (DNS_NAME.test(name) && name.includes(".")) return { solver, zones, names: [name] };
  throw new RenewalError(
    "request.invalid",
    `"${sanitize(subject, 80)}" is neither a configured certificate nor a DNS name`,
  );
}

function recordsOf({ name, nameServers }: ServedZone): Wanted[] {
  const ns = nameServers.map((server): Wanted => ({ name, type: "NS", value: server.name }));
  const glue = nameServers.flatMap((server) =>
    server.addresses.map(
      (address): Wanted => ({ name: server.name, type: isIPv4(address) ? "A" : "AAAA", value: address }),
    ),
  );
  return [...ns, ...glue];
}

/** Two zones may have one name server. */
function once(all: readonly Wanted[]): Wanted[] {
  return [...new Map(all.map((record) => [Object.values(record).join(" "), record])).values()];
}

async function checked(
  lookup: Lookup,
  wanted: readonly Wanted[],
  signal: AbortSignal,
): Promise<readonly DelegationRecord[]> {
  return Promise.all(wanted.map(async (record) => ({ ...record, ...(await stateOf(lookup, record, signal)) })));
}

async function stateOf(
  lookup: Lookup,
  { name, type, value }: Wanted,
  signal: AbortSignal,
): Promise<Pick<DelegationRecord, "state" | "found" | "problem">> {
  try {
    const found = await valuesOf(lookup, name, type, signal);
    if (found.includes(value)) return { state: "right", found: null, problem: null };
    if (found.length === 0) return { state: "missing", found: null, problem: null };
    return { state: "wrong", found: sanitize(found.join(", "), 200), problem: null };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof RenewalError) || error.code !== "dns.unreachable") throw error;
    return { state: "unknown", found: null, problem: sanitize(error.message, 200) };
  }
}

async function valuesOf(
  lookup: Lookup,
  name: string,
  type: DelegationRecord["type"],
  signal: AbortSignal,
): Promise<string[]> {
  if (type === "CNAME") {
    const target = await lookup.alias(name, signal);
    return target === null ? [] : [target];
  }
  const { answers } = await lookup.resolve({ name, type }, signal);
  const found = answers.flatMap((answer) =>
    answer.type === type && typeof answer.data === "string" ? [answer.data] : [],
  );
  return type === "NS" ? found.map(plainName) : found;
}
