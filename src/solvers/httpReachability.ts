import { type IncomingMessage, request } from "node:http";
import { connect, isIP } from "node:net";
import { CHALLENGE_PATH, IDENTITY_PATH } from "../domain/challengeToken.ts";
import type { Identifier } from "../domain/identifier.ts";
import type { Concern } from "../domain/issuer.ts";
import { sanitize } from "../domain/text.ts";
import { examineDns } from "./dns/health.ts";
import { createLookup, type Lookup } from "./dns/lookup.ts";
import type { ResolverOption } from "./dns/options.ts";
import { isRedirect, nextHop } from "./redirects.ts";

const DNS_PORT = 53;
/** RFC 8555 §8.3 */
const HTTP_PORT = 80;
/** RFC 8737 §3 */
const TLS_PORT = 443;
const TIMEOUT_MS = 4_000;
const ADDRESSES_MAX = 16;
const ANSWER_MAX = 100;
/** Nobody has this token: what matters is that an HTTP server answers at all. */
const PATH = `${CHALLENGE_PATH}renewd-check`;
/** What a responder says there: the id of its installation. */
const IDENTITY = /^[0-9a-f-]{36}$/;

interface ReachabilityOptions {
  /** Whom to ask where names are; without: the system's. */
  readonly resolvers?: readonly ResolverOption[] | undefined;
  readonly lookup?: Lookup;
  readonly port?: number;
  /** renewd's own responder has to answer there, itself or behind a server that forwards to it. */
  readonly responder?: boolean;
}

/**
 * Whether the name answers over HTTP at every address, and renewd's responder where it has to. Seen from here, so it
 * proves nothing about the Internet: it only warns. CAs try IPv6 first, so an address that nobody listens on is worth a
 * warning although others answer.
 */
export function examineHttp(
  identifier: Identifier,
  signal: AbortSignal,
  { resolvers = [], lookup = lookupBy(resolvers), port = HTTP_PORT, responder = false }: ReachabilityOptions = {},
): Promise<readonly Concern[]> {
  const name = identifier.type === "ip" && isIP(identifier.value) === 6 ? `[${identifier.value}]` : identifier.value;
  const start = new URL(`http://${name}${responder ? IDENTITY_PATH : PATH}`);
  const way = { port, responder, lookup };
  return examine(identifier, signal, lookup, { check: "http", dial: (address) => follow(address, start, way, signal) });
}

/** The same of the port where CAs validate by tls-alpn-01. Only connects: before an order nothing answers there. */
export function examineTls(
  identifier: Identifier,
  signal: AbortSignal,
  { resolvers = [], lookup = lookupBy(resolvers), port = TLS_PORT }: ReachabilityOptions = {},
): Promise<readonly Concern[]> {
  return examine(identifier, signal, lookup, { check: "tls-alpn", dial: (address) => reach(address, port, signal) });
}

function lookupBy(resolvers: readonly ResolverOption[]): Lookup {
  return createLookup({ resolvers, port: DNS_PORT });
}

interface Examination {
  readonly check: string;
  dial(address: string): Promise<Concern[]>;
}

async function examine(
  { type, value }: Identifier,
  signal: AbortSignal,
  lookup: Lookup,
  { check, dial: dialAddress }: Examination,
): Promise<readonly Concern[]> {
  if (type === "ip") return dialAddress(value);
  const concerns = await examineDns(lookup, value, signal);
  if (concerns.some(({ fatal }) => fatal)) return concerns;
  const addresses = await addressesOf(lookup, value, signal);
  // What no resolver answers is a concern already, and says nothing about the name.
  if (addresses === null) return concerns;
  if (addresses.length === 0) return [...concerns, { check, message: `${value} has no address in DNS`, fatal: false }];
  const dialled = await Promise.all(addresses.map((address) => dialAddress(address)));
  return [...concerns, ...dialled.flat()];
}

/** null: a look-up failed and the other found nothing. */
async function addressesOf(lookup: Lookup, name: string, signal: AbortSignal): Promise<string[] | null> {
  const ask = async (type: "A" | "AAAA"): Promise<readonly string[] | null> => {
    const reply = await lookup.resolve({ name, type }, signal).catch(() => null);
    signal.throwIfAborted();
    return reply?.answers.flatMap((answer) => (answer.type === type ? addressIn(answer.data) : [])) ?? null;
  };
  const both = await Promise.all([ask("A"), ask("AAAA")]);
  const found = both.flatMap((addresses) => addresses ?? []);
  return both.includes(null) && found.length === 0 ? null : [...new Set(found)].slice(0, ADDRESSES_MAX);
}

function addressIn(data: unknown): readonly string[] {
  return typeof data === "string" && isIP(data) !== 0 ? [data] : [];
}

interface Way {
  /** Where port 80 is. */
  readonly port: number;
  readonly responder: boolean;
  readonly lookup: Lookup;
}

/** As a CA does that begins at this address, up to where it goes over to HTTPS or to another name. */
async function follow(
  address: string,
  start: URL,
  { port, responder, lookup }: Way,
  signal: AbortSignal,
): Promise<Concern[]> {
  const concern = (message: string): Concern[] => (message === "" ? [] : [{ check: "http", message, fatal: false }]);
  const visited = [start.href];
  let at = start;
  for (;;) {
    const url = at;
    const shown = `${url.protocol}//${url.host}${CHALLENGE_PATH} at ${address}`;
    const found = await fetchAt(address, url, url.port === "443" ? TLS_PORT : port, signal);
    if ("trouble" in found) return concern(found.trouble);
    if (!isRedirect(found.status)) {
      const why = responder ? notOurs(found.status, found.text) : null;
      return why === null ? [] : concern(`${shown} ${why}`);
    }
    const next = nextHop(url, found.location, visited);
    if ("why" in next) return concern(`${shown} ${next.why}`);
    if (next.to.hostname !== url.hostname) return concern(await whyNowhere(lookup, next.to, shown, signal));
    // A certificate that is to be renewed may be broken: CAs do not check it, and nothing here may skip that.
    if (next.to.protocol === "https:") return [];
    visited.push(next.to.href);
    at = next.to;
  }
}

/** Only looked up: who may redirect a name must not make renewd ask servers inside the network. "": it has an address. */
async function whyNowhere(lookup: Lookup, { hostname }: URL, shown: string, signal: AbortSignal): Promise<string> {
  const found = await addressesOf(lookup, hostname, signal);
  return found?.length === 0 ? `${shown} redirects to ${hostname}, which has no address in DNS` : "";
}

interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly text: string;
}

function fetchAt(
  address: string,
  url: URL,
  port: number,
  signal: AbortSignal,
): Promise<Answer | { readonly trouble: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer | { readonly trouble: string }>();
  const outgoing = request({
    host: address,
    port,
    path: `${url.pathname}${url.search}`,
    headers: { host: url.host },
    agent: false,
    timeout: TIMEOUT_MS,
    signal,
  });
  outgoing.on("response", (response) => {
    const { statusCode: status = 0, headers } = response;
    void beginning(response).then((text) => resolve({ status, location: headers.location, text }));
  });
  outgoing.on("timeout", () => {
    resolve({ trouble: `port ${port} of ${address} does not answer within ${TIMEOUT_MS / 1_000} s` });
    outgoing.destroy();
  });
  outgoing.on("error", (error) => {
    if (signal.aborted) return reject(signal.reason);
    resolve({ trouble: `port ${port} of ${address} cannot be reached from here: ${sanitize(error.message, 200)}` });
  });
  outgoing.end();
  return promise;
}

/** null: renewd's responder has answered. */
function notOurs(status: number, text: string): string | null {
  if (status === 200 && IDENTITY.test(text)) return null;
  return status >= 500
    ? `is answered with status ${status}: does an ACME worker run where that server forwards to?`
    : `is answered with status ${status} by a server that is not renewd: let it forward this path (docs/port80.md)`;
}

/** As much of the body as tells the responder from any other server. */
async function beginning(response: IncomingMessage): Promise<string> {
  let text = "";
  response.setEncoding("latin1");
  try {
    for await (const piece of response) {
      text += piece;
      if (text.length > ANSWER_MAX) break;
    }
  } catch {
    // What has come so far is what it is judged by.
  }
  return text;
}

function reach(address: string, port: number, signal: AbortSignal): Promise<Concern[]> {
  const { promise, resolve, reject } = Promise.withResolvers<Concern[]>();
  const concern = (message: string): void => resolve([{ check: "tls-alpn", message, fatal: false }]);
  const socket = connect({ host: address, port, timeout: TIMEOUT_MS, signal });
  socket.on("connect", () => {
    socket.destroy();
    resolve([]);
  });
  socket.on("timeout", () => {
    concern(`port ${port} of ${address} does not answer within ${TIMEOUT_MS / 1_000} s`);
    socket.destroy();
  });
  socket.on("error", (error) => {
    if (signal.aborted) return reject(signal.reason);
    concern(`port ${port} of ${address} cannot be reached from here: ${sanitize(error.message, 200)}`);
  });
  return promise;
}
