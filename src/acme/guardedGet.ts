import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { raceAbort } from "../domain/abort.ts";
import { RenewalError } from "../domain/errors.ts";
import { type Reach, reachOf } from "../domain/reach.ts";
import type { Resolve } from "../domain/systemResolve.ts";

/** More than any service publishes. */
const ADDRESSES_MAX = 16;

export interface Guard {
  /** Whether addresses of private networks, and of this machine, may be dialled too. */
  readonly mayBePrivate: boolean;
  readonly resolve: Resolve;
}

/**
 * GET of a URL that a stranger named, such as one in a certificate. The name is resolved once, and only the addresses
 * that were judged are dialled: a second look-up could give others. No redirect is followed. Throws `acme.address`.
 */
export async function guardedGet(url: string, guard: Guard, signal: AbortSignal): Promise<IncomingMessage> {
  const addresses = await addressesToDial(url, guard, signal);
  const send = url.startsWith("https:") ? httpsRequest : httpRequest;
  const options = { agent: false, signal, lookup: pinned(addresses), headers: { "user-agent": "renewd" } } as const;
  return await new Promise((resolve, reject) => {
    send(url, options, resolve).on("error", reject).end();
  });
}

/** The most that any of its addresses is; null: it has none. */
export async function reachOfHost(host: string, resolve: Resolve, signal: AbortSignal): Promise<Reach | null> {
  const found = (await addressesOf(host, resolve, signal)).map(reachOf);
  return found.find((reach) => reach === "private") ?? found[0] ?? null;
}

async function addressesToDial(url: string, { mayBePrivate, resolve }: Guard, signal: AbortSignal): Promise<string[]> {
  const { hostname, protocol } = new URL(url);
  if (protocol !== "http:" && protocol !== "https:") throw refused(url, "is neither http nor https");
  const addresses = await addressesOf(hostname, resolve, signal);
  const allowed = addresses.filter((address) => {
    const reach = reachOf(address);
    return reach === "public" || (reach === "private" && mayBePrivate);
  });
  if (allowed.length > 0 || addresses.length === 0) return allowed.slice(0, ADDRESSES_MAX);
  const [first = ""] = addresses;
  throw reachOf(first) === "never"
    ? refused(url, `is at ${first}, which is link-local, a cloud's metadata service or no host`)
    : refused(url, `is at ${first}, in a private network`);
}

async function addressesOf(host: string, resolve: Resolve, signal: AbortSignal): Promise<readonly string[]> {
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  // The system's look-up cannot be cancelled. A late answer is dropped.
  return isIP(bare) === 0 ? await raceAbort(signal, () => resolve(bare)) : [bare];
}

function pinned(addresses: readonly string[]): LookupFunction {
  return (host, options, callback) => {
    const found = addresses.map((address) => ({ address, family: isIP(address) }));
    const [first] = found;
    if (first === undefined) {
      const absent: NodeJS.ErrnoException = Object.assign(new Error(`${host} has no address`), { code: "ENOTFOUND" });
      callback(absent, "", 0);
    } else if (options.all === true) callback(null, found);
    else callback(null, first.address, first.family);
  };
}

function refused(url: string, why: string): RenewalError {
  return new RenewalError("acme.address", `The CA names ${url}, which ${why}: it is not dialled.`);
}
