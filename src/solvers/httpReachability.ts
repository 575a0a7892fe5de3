import { request } from "node:http";
import { connect, isIP } from "node:net";
import type { Identifier } from "../domain/identifier.ts";
import type { Concern } from "../domain/issuer.ts";
import { sanitize } from "../domain/text.ts";
import { examineDns } from "./dns/health.ts";
import { createLookup, type Lookup } from "./dns/lookup.ts";

/** RFC 8555 §8.3 */
const HTTP_PORT = 80;
/** RFC 8737 §3 */
const TLS_PORT = 443;
const TIMEOUT_MS = 4_000;
const ADDRESSES_MAX = 16;
/** Nobody has this token: what matters is that an HTTP server answers at all. */
const PATH = "/.well-known/acme-challenge/renewd-check";

interface ReachabilityOptions {
  readonly lookup?: Lookup;
  readonly port?: number;
}

/**
 * Whether the name answers over HTTP at every address. Seen from here, so it proves nothing about the Internet: it only
 * warns. CAs try IPv6 first, so an address that nobody listens on is worth a warning although others answer.
 */
export function examineHttp(
  identifier: Identifier,
  signal: AbortSignal,
  { lookup = createLookup(), port = HTTP_PORT }: ReachabilityOptions = {},
): Promise<readonly Concern[]> {
  return examine(identifier, signal, lookup, {
    check: "http",
    dial: (address) => dial(identifier.value, address, port, signal),
  });
}

/** The same of the port where CAs validate by tls-alpn-01. Only connects: before an order nothing answers there. */
export function examineTls(
  identifier: Identifier,
  signal: AbortSignal,
  { lookup = createLookup(), port = TLS_PORT }: ReachabilityOptions = {},
): Promise<readonly Concern[]> {
  return examine(identifier, signal, lookup, { check: "tls-alpn", dial: (address) => reach(address, port, signal) });
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
  const found: string[] = [];
  let failed = false;
  for (const type of ["A", "AAAA"] as const) {
    const reply = await lookup.resolve({ name, type }, signal).catch(() => null);
    signal.throwIfAborted();
    failed ||= reply === null;
    for (const answer of reply?.answers ?? [])
      if (answer.type === type && typeof answer.data === "string" && isIP(answer.data) !== 0) found.push(answer.data);
  }
  return failed && found.length === 0 ? null : [...new Set(found)].slice(0, ADDRESSES_MAX);
}

function dial(name: string, address: string, port: number, signal: AbortSignal): Promise<Concern[]> {
  const { promise, resolve, reject } = Promise.withResolvers<Concern[]>();
  const concern = (message: string): void => resolve([{ check: "http", message, fatal: false }]);
  const outgoing = request({
    host: address,
    port,
    path: PATH,
    headers: { host: name },
    agent: false,
    timeout: TIMEOUT_MS,
    signal,
  });
  outgoing.on("response", (response) => {
    response.destroy();
    resolve([]);
  });
  outgoing.on("timeout", () => {
    concern(`port ${port} of ${address} does not answer within ${TIMEOUT_MS / 1_000} s`);
    outgoing.destroy();
  });
  outgoing.on("error", (error) => {
    if (signal.aborted) return reject(signal.reason);
    concern(`port ${port} of ${address} cannot be reached from here: ${sanitize(error.message, 200)}`);
  });
  outgoing.end();
  return promise;
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
