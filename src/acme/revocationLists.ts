import { X509Certificate } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { RenewalError } from "../domain/errors.ts";
import type { Revocation, RevocationLists } from "../domain/revocation.ts";
import { type Resolve, systemResolve } from "../domain/systemResolve.ts";
import type { Version } from "../domain/version.ts";
import { crlUrls, revokedIn } from "../x509/crl.ts";
import { type Guard, guardedGet, reachOfHost } from "./guardedGet.ts";

/** The largest public lists are some 10 MB; those of CAs that split theirs, a few hundred kB. */
const LIST_BYTES_MAX = 32 * 1024 * 1024;
const FETCH_TIMEOUT_MS = 60_000;

/** What the configuration says of a version's CA. */
export interface CaAddress {
  readonly directory: string;
  /** Whether URLs that the CA names may lead to private addresses; null: as its directory does. */
  readonly privateAddresses: boolean | null;
}

/** null: its CA is not configured, as of an imported pair. */
export type CaReach = (version: Version) => CaAddress | null;

/**
 * What CAs publish as revoked, by plain GET as every client does (RFC 5280 §4.2.1.13). The URL comes from a certificate
 * that a configured CA has issued or that a person has imported. No redirect is followed, no data of renewd is sent,
 * and only what the list's issuer has signed is shown.
 */
export function createRevocationLists(ca: CaReach, resolve: Resolve = systemResolve): RevocationLists {
  return {
    urlsOf(version) {
      try {
        return version.chainPem.length === 0 ? [] : crlUrls(new X509Certificate(version.leafPem).raw);
      } catch {
        return [];
      }
    },
    async fetch(url, versions, signal) {
      const mayBePrivate = await allAre(versions, (version) => isPrivateCa(ca(version), resolve, signal));
      const list = await download(url, { mayBePrivate, resolve }, signal);
      const found = new Map<Version, Revocation>();
      // Nearly always one issuer, but two CA certificates may share a list.
      for (const [issuerPem = "", issued] of Map.groupBy(versions, ({ chainPem }) => chainPem[0])) {
        const revoked = read(url, () =>
          revokedIn(
            list,
            issuerPem,
            issued.map(({ leaf }) => leaf.serial),
          ),
        );
        for (const version of issued) {
          const entry = revoked.get(version.leaf.serial);
          if (entry !== undefined) found.set(version, entry);
        }
      }
      return found;
    },
  };
}

function read<T>(url: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new RenewalError(
      "acme.server",
      `The revocation list at ${url} cannot be used: ${cause instanceof Error ? cause.message : "unknown error"}.`,
      {
        cause,
      },
    );
  }
}

/**
 * A CA whose directory is in a private network publishes its lists there too, unless the configuration says otherwise.
 */
async function isPrivateCa(known: CaAddress | null, resolve: Resolve, signal: AbortSignal): Promise<boolean> {
  if (known === null) return false;
  if (known.privateAddresses !== null) return known.privateAddresses;
  const host = URL.parse(known.directory)?.hostname;
  return host !== undefined && (await reachOfHost(host, resolve, signal).catch(() => null)) === "private";
}

async function allAre<T>(items: readonly T[], test: (item: T) => Promise<boolean>): Promise<boolean> {
  for (const item of items) if (!(await test(item))) return false;
  return true;
}

async function download(url: string, guard: Guard, signal: AbortSignal): Promise<Uint8Array> {
  const timeout = AbortSignal.timeout(FETCH_TIMEOUT_MS);
  try {
    const bounded = AbortSignal.any([signal, timeout]);
    return await readAll(url, await guardedGet(url, guard, bounded));
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof RenewalError) throw cause;
    if (timeout.aborted)
      throw new RenewalError(
        "acme.timeout",
        `The revocation list at ${url} did not come within ${FETCH_TIMEOUT_MS / 1_000} s.`,
        { cause },
      );
    const why = cause instanceof Error && "code" in cause ? ` (${String(cause.code)})` : "";
    throw new RenewalError("acme.connection", `Cannot fetch the revocation list at ${url}${why}.`, { cause });
  }
}

async function readAll(url: string, response: IncomingMessage): Promise<Uint8Array> {
  if (response.statusCode !== 200) {
    response.destroy();
    throw new RenewalError(
      "acme.server",
      `The revocation list at ${url} is answered with status ${response.statusCode}.`,
    );
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += chunk.length;
    // Leaving the loop destroys the response and its socket.
    if (bytes > LIST_BYTES_MAX)
      throw new RenewalError(
        "acme.server",
        `The revocation list at ${url} is longer than ${LIST_BYTES_MAX / 1024 / 1024} MB.`,
      );
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
