import { randomBytes } from "node:crypto";
import { getServers } from "node:dns";
import { isIP } from "node:net";
import type { Answer, StringRecordType } from "dns-packet";
import { RenewalError } from "../../domain/errors.ts";
import { type AskOptions, ask, type Question, type Reply, serverName } from "./client.ts";
import { parseResolver, type ResolverOption } from "./options.ts";
import { plainName } from "./zone.ts";

/** One name server of a zone, with all its addresses. */
export interface NameServer {
  readonly name: string;
  readonly addresses: readonly Extract<ResolverOption, { kind: "dns" }>[];
}

/** DNS as the resolvers see it. Each throws `dns.unreachable` when no resolver gives a usable answer. */
export interface Lookup {
  resolve(question: Question, signal: AbortSignal, options?: Pick<AskOptions, "checkingDisabled">): Promise<Reply>;
  /** The apex of the zone that holds the name, whether the name exists or not. */
  zoneOf(name: string, signal: AbortSignal): Promise<string>;
  nameServers(zone: string, signal: AbortSignal): Promise<readonly NameServer[]>;
  /** null: the name is no alias. */
  alias(name: string, signal: AbortSignal): Promise<string | null>;
  readonly resolvers: readonly ResolverOption[];
}

export interface LookupOptions {
  /** Empty: the system's. */
  readonly resolvers: readonly ResolverOption[];
  /** Where authoritative servers listen. */
  readonly port: number;
}

const DNS_PORT = 53;
const NAME_SERVERS_MAX = 16;
const ADDRESSES_MAX = 4;
/** Servers asked for an alias before resolvers are. */
const ASKED_MAX = 3;
const SOUND: readonly string[] = ["NOERROR", "NXDOMAIN"];

export function createLookup({ resolvers: given, port }: LookupOptions = { resolvers: [], port: DNS_PORT }): Lookup {
  const resolvers = given.length > 0 ? given : getServers().flatMap((text) => parseResolver(text) ?? []);
  const resolve: Lookup["resolve"] = async (question, signal, options = {}) => {
    const troubles: string[] = [];
    for (const resolver of resolvers) {
      try {
        const reply = await ask(resolver, question, { recurse: true, ...options }, signal);
        if (SOUND.includes(reply.rcode)) return reply;
        troubles.push(`${serverName(resolver)} answered ${reply.rcode}`);
      } catch (error) {
        signal.throwIfAborted();
        troubles.push(error instanceof Error ? error.message : String(error));
      }
    }
    const why = troubles.length === 0 ? "no resolver is configured" : troubles.join("; ");
    throw new RenewalError("dns.unreachable", `No resolver could look up ${question.type} of ${question.name}: ${why}`);
  };
  const addressesOf = async (name: string, signal: AbortSignal): Promise<NameServer["addresses"]> => {
    const found: string[] = [];
    for (const type of ["A", "AAAA"] as const) {
      const reply = await resolve({ name, type }, signal).catch((error: unknown) => {
        signal.throwIfAborted();
        if (type === "A") throw error;
        return null;
      });
      found.push(...(reply === null ? [] : texts(reply.answers, type)));
    }
    return found
      .filter((address) => isIP(address) !== 0)
      .slice(0, ADDRESSES_MAX)
      .map((address) => ({ kind: "dns", address, port }));
  };
  /**
   * At the servers themselves: a resolver would keep "no such name" for minutes, and a check after publication would
   * find that. A referral, or servers that cannot be reached, leave the resolvers.
   */
  const askForAlias = async (name: string, signal: AbortSignal): Promise<Reply> => {
    const question = { name, type: "CNAME" } as const;
    const parent = name.slice(name.indexOf(".") + 1);
    try {
      const servers = await nameServers(await zoneOf(parent, signal), signal);
      for (const address of servers.flatMap(({ addresses }) => addresses).slice(0, ASKED_MAX)) {
        const reply = await ask(address, question, { recurse: false }, signal).catch(() => null);
        signal.throwIfAborted();
        if (reply?.authoritative === true && SOUND.includes(reply.rcode)) return reply;
      }
    } catch {
      signal.throwIfAborted();
    }
    return resolve(question, signal);
  };
  const zoneOf: Lookup["zoneOf"] = async (name, signal) => {
    const { answers, authorities } = await resolve({ name, type: "SOA" }, signal);
    const soa = [...answers, ...authorities].find(({ type }) => type === "SOA");
    if (soa === undefined) throw new RenewalError("dns.unreachable", `No answer says which zone holds ${name}.`);
    return plainName(soa.name);
  };
  const nameServers: Lookup["nameServers"] = async (zone, signal) => {
    const { answers } = await resolve({ name: zone, type: "NS" }, signal);
    const names = [...new Set(texts(answers, "NS").map(plainName))].slice(0, NAME_SERVERS_MAX);
    return Promise.all(names.map(async (name) => ({ name, addresses: await addressesOf(name, signal) })));
  };
  return {
    resolvers,
    resolve,
    zoneOf,
    nameServers,
    async alias(name, signal) {
      const { answers } = await askForAlias(name, signal);
      const [target] = texts(
        answers.filter((answer) => plainName(answer.name) === name),
        "CNAME",
      );
      return target === undefined ? null : plainName(target);
    },
  };
}

/** A name beside this one that nobody has created: what it answers is synthesised by a wildcard (RFC 4592). */
export function randomSibling(name: string): string {
  return `_renewd-${randomBytes(6).toString("hex")}.${name.slice(name.indexOf(".") + 1)}`;
}

function texts(answers: readonly Answer[], wanted: StringRecordType): string[] {
  return answers.flatMap((answer) => (answer.type === wanted && typeof answer.data === "string" ? [answer.data] : []));
}
