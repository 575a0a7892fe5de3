import { RenewalError } from "../../domain/errors.ts";
import type { Concern } from "../../domain/issuer.ts";
import { ask, type Reply, serverName } from "./client.ts";
import type { Lookup, NameServer } from "./lookup.ts";
import { isWithin } from "./zone.ts";

/** One authoritative server, asked for the SOA of its zone. */
interface Answered {
  readonly server: string;
  /** null: it cannot be reached from here. */
  readonly reply: Reply | null;
}

/**
 * Whether DNS answers for the name at all: signatures, delegation, every authoritative server. What cannot be reached
 * from here is no concern: it may only be this machine.
 */
export async function examineDns(lookup: Lookup, name: string, signal: AbortSignal): Promise<readonly Concern[]> {
  const broken = await brokenSignatures(lookup, name, signal);
  if (broken !== null) return [broken];
  try {
    const zone = await lookup.zoneOf(name, signal);
    const servers = await lookup.nameServers(zone, signal);
    const answered = await Promise.all(servers.flatMap((server) => askSoa(server, zone, signal)));
    return judge(zone, answered);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof RenewalError) || error.code !== "dns.unreachable") throw error;
    return [{ check: "dns", message: error.message, fatal: false }];
  }
}

function judge(zone: string, answered: readonly Answered[]): Concern[] {
  const concerns: Concern[] = [];
  const serials = new Map<number, string>();
  for (const { server, reply } of answered) {
    if (reply === null) continue;
    if (reply.rcode !== "NOERROR" || !reply.authoritative) {
      const what = reply.rcode === "NOERROR" ? "does not answer with authority" : `answers ${reply.rcode}`;
      concerns.push({ check: "nameServers", message: `${server} ${what} for ${zone}`, fatal: false });
    }
    const soa = reply.answers.find((answer) => answer.type === "SOA");
    if (soa?.type === "SOA" && typeof soa.data.serial === "number" && reply.rcode === "NOERROR")
      serials.set(soa.data.serial, server);
  }
  if (serials.size > 1) {
    const list = [...serials].map(([serial, server]) => `${server} has ${serial}`).join(", ");
    const message = `the name servers of ${zone} have different versions of it: ${list}`;
    concerns.push({ check: "nameServers", message, fatal: false });
  }
  return concerns;
}

function askSoa({ name, addresses }: NameServer, zone: string, signal: AbortSignal): Promise<Answered>[] {
  return addresses.map(async (address) => {
    const server = `${name} (${serverName(address)})`;
    try {
      return { server, reply: await ask(address, { name: zone, type: "SOA" }, { recurse: false }, signal) };
    } catch {
      signal.throwIfAborted();
      return { server, reply: null };
    }
  });
}

/** What a CA asks of every name, whatever the challenge. */
const SIGNED_TYPES = ["SOA", "CAA"] as const;

/**
 * A resolver that answers only when it need not check signatures has found them broken (RFC 4035 §5.5). Asked once
 * more, as its first answer may have failed for another reason: this alone refuses an order. A resolver that checks
 * nothing finds nothing.
 */
async function brokenSignatures(lookup: Lookup, name: string, signal: AbortSignal): Promise<Concern | null> {
  const answers = async (type: "SOA" | "CAA", checkingDisabled: boolean): Promise<boolean> => {
    try {
      await lookup.resolve({ name, type }, signal, checkingDisabled ? { checkingDisabled } : {});
      return true;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof RenewalError) || error.code !== "dns.unreachable") throw error;
      return false;
    }
  };
  for (const type of SIGNED_TYPES) {
    if (await answers(type, false)) continue;
    // Nobody answers at all: the next type would wait as long for the same.
    if (!(await answers(type, true))) return null;
    if (await answers(type, false)) continue;
    const message = `the DNSSEC signatures of ${name} are broken (${type}): resolvers that check them answer SERVFAIL`;
    return { check: "dnssec", message, fatal: true };
  }
  return null;
}

/** What DNS says of a zone that a provider says it serves. */
export async function compareDelegation(
  lookup: Lookup,
  {
    name,
    zone,
  }: { readonly name: string; readonly zone: { readonly name: string; readonly nameServers?: readonly string[] } },
  signal: AbortSignal,
): Promise<readonly Concern[]> {
  const concern = (message: string): Concern[] => [{ check: "delegation", message, fatal: false }];
  try {
    // Beside a zone of its own, the challenge's name does not exist yet: resolvers would remember that.
    const asked = name === zone.name ? name : name.slice(name.indexOf(".") + 1);
    const cut = await lookup.zoneOf(asked, signal);
    if (cut !== zone.name && isWithin(cut, zone.name))
      return concern(`${name} is in zone ${cut} for the public, but the provider's zone is ${zone.name}`);
    if (cut !== zone.name && isWithin(zone.name, cut))
      return concern(`zone ${zone.name} of the provider is not delegated: for the public ${name} is in ${cut}`);
    const ours = (zone.nameServers ?? []).map((server) => server.toLowerCase().replace(/\.$/, ""));
    const theirs = (await lookup.nameServers(zone.name, signal)).map((server) => server.name);
    if (ours.length === 0 || theirs.length === 0 || ours.some((server) => theirs.includes(server))) return [];
    return concern(
      `${zone.name} is delegated to ${theirs.slice(0, 4).join(", ")}, but the provider serves it from ` +
        `${ours.slice(0, 4).join(", ")}: it is another zone of the same name`,
    );
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof RenewalError) || error.code !== "dns.unreachable") throw error;
    return [];
  }
}
