import { lookup, Resolver } from "node:dns/promises";
import { readFile } from "node:fs/promises";

/** Resolves a host to its addresses. */
export type Resolve = (host: string) => Promise<readonly string[]>;

const HOSTS_FILE = "/etc/hosts";
const RESOLVER_FILE = "/etc/resolv.conf";
const QUERY_TIMEOUT_MS = 500;
const QUERY_TRIES = 4;
/** What c-ares says of a name that no name server would or could answer for; every other error is an answer. */
const UNANSWERED: readonly string[] = ["ETIMEOUT", "ESERVFAIL"];

/**
 * The way the system does it for a client, in the resolver's order. getaddrinfo(3) holds one of a few threads until it
 * ends, 10 s and more for a name that no name server answers for: two such names would keep all others waiting, so it
 * is asked only for what has an answer. Rejects with `code` EAI_AGAIN for what has none.
 */
export const systemResolve: Resolve = async (host) => {
  if (!isAskedOfDns(host) || (await isInHostsFile(host))) return await bySystem(host);
  const answer = await askDns(host);
  if (answer.isWhole) return await bySystem(host);
  // Some name servers answer for A alone. The system takes what it gets, and so does this.
  const elsewhere = answer.addresses.length > 0 ? [] : await Promise.all((await searchedNames(host)).map(askDns));
  const found = [answer, ...elsewhere].find(({ addresses }) => addresses.length > 0);
  if (found !== undefined) return found.addresses;
  throw Object.assign(new Error(`no name server answered for ${host}`), { code: "EAI_AGAIN" });
};

async function bySystem(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true, order: "verbatim" })).map(({ address }) => address);
}

/** A single label is for the system's search list (resolv.conf(5)) and for names of this machine. */
function isAskedOfDns(host: string): boolean {
  return host.replace(/\.$/, "").includes(".");
}

/** hosts(5): an address, then its names, up to a comment. */
async function isInHostsFile(host: string): Promise<boolean> {
  const text = await readFile(HOSTS_FILE, "utf8").catch(() => "");
  const wanted = host.toLowerCase();
  return text.split("\n").some((line) => {
    const [, ...names] = line.replace(/#.*/, "").trim().toLowerCase().split(/\s+/);
    return names.includes(wanted);
  });
}

/** The name under each domain of the search list, where the system looks too: `service.namespace` in Kubernetes. */
async function searchedNames(host: string): Promise<readonly string[]> {
  if (host.endsWith(".")) return [];
  const text = await readFile(RESOLVER_FILE, "utf8").catch(() => "");
  // The last such line counts (resolv.conf(5)).
  const list = text.match(/^(?:search|domain)[ \t].*/gm)?.at(-1) ?? "";
  const [, ...domains] = list.trim().split(/\s+/);
  return domains.map((domain) => `${host}.${domain}`);
}

interface DnsAnswer {
  readonly addresses: readonly string[];
  /** Name servers said something of both kinds of address, and be it that there is none. */
  readonly isWhole: boolean;
}

/** Holds no thread. */
async function askDns(host: string): Promise<DnsAnswer> {
  const resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES });
  const asked = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  return {
    addresses: asked.flatMap((outcome) => (outcome.status === "fulfilled" ? outcome.value : [])),
    isWhole: asked.every(({ status, ...outcome }) => status === "fulfilled" || !UNANSWERED.includes(codeOf(outcome))),
  };
}

function codeOf(outcome: object): string {
  const reason = "reason" in outcome ? outcome.reason : null;
  return reason instanceof Error && "code" in reason ? String(reason.code) : "";
}
