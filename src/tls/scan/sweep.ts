// What many places serve, looked at politely: a bounded number of connections at once, and a pace.
import { isIP } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { DiscoveryReport } from "../../domain/discovery.ts";
import type { StartTlsProtocol } from "../../domain/endpoint.ts";
import { toRenewalError } from "../../domain/errors.ts";
import { type Resolve, systemResolve } from "../../domain/systemResolve.ts";
import { describeFound } from "../../x509/describe.ts";
import { addressesOf } from "../addresses.ts";
import { shakeHands } from "../handshake.ts";

/** One place to dial. */
export interface SweepPlace {
  readonly host: string;
  readonly port: number;
  /** Default: the host. An address is sent as no server name. */
  readonly sni?: string | undefined;
  readonly starttls?: StartTlsProtocol | undefined;
}

export interface SweepOptions {
  /** Whether this address may be dialled. Asked after the name was resolved; the very address is dialled then. */
  readonly mayDial: (address: string) => boolean;
  readonly connectionsMax: number;
  readonly perSecond: number;
  /** Of one handshake, from connect on; and of one look-up. */
  readonly timeoutMs: number;
  readonly resolve?: Resolve;
}

export interface Sweep {
  /**
   * `isQuiet`: silence is no problem, as in a network where most addresses are unused. Bounded in time by `signal`
   * alone.
   */
  dial(
    places: Iterable<SweepPlace>,
    how: { readonly isQuiet: boolean },
    report: DiscoveryReport,
    signal: AbortSignal,
  ): Promise<void>;
}

/** One for all sources of a run: they share the pace. */
export function createSweep(options: SweepOptions): Sweep {
  const { connectionsMax, perSecond } = options;
  let nextAt = 0;
  const turn = async (signal: AbortSignal): Promise<void> => {
    const now = performance.now();
    const at = Math.max(now, nextAt);
    nextAt = at + 1_000 / perSecond;
    if (at > now) await delay(at - now, undefined, { signal });
  };
  return {
    async dial(places, { isQuiet }, report, signal) {
      const iterator = places[Symbol.iterator]();
      const refused = new Refused();
      const lane = async (): Promise<void> => {
        for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
          signal.throwIfAborted();
          await dialOne(next.value, { ...options, turn, isQuiet, refused }, report, signal);
        }
      };
      await Promise.all(Array.from({ length: connectionsMax }, lane));
      refused.tell(report);
    },
  };
}

interface Dialling extends SweepOptions {
  readonly turn: (signal: AbortSignal) => Promise<void>;
  readonly isQuiet: boolean;
  readonly refused: Refused;
}

async function dialOne(
  place: SweepPlace,
  { mayDial, timeoutMs, resolve = systemResolve, turn, isQuiet, refused }: Dialling,
  report: DiscoveryReport,
  signal: AbortSignal,
): Promise<void> {
  const { host, port, starttls, sni = host } = place;
  const patience = (): AbortSignal => AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  let addresses: readonly string[];
  try {
    addresses = await addressesOf(host, resolve, patience());
  } catch (error) {
    signal.throwIfAborted();
    if (!isQuiet) report.problem(toRenewalError(error).message);
    return;
  }
  for (const address of addresses) {
    if (!mayDial(address)) {
      refused.add(host, address);
      continue;
    }
    await turn(signal);
    const endpoint = { host, port, sni, target: null, ...(starttls !== undefined && { starttls }) };
    try {
      const { leaf } = await shakeHands({ endpoint, address, keyKind: null }, patience());
      report.found(describeFound(leaf), {
        place: placeText({ host, port, sni, address }),
        endpoint: { host, port, address, sni, starttls: starttls ?? null },
        target: null,
      });
    } catch (error) {
      signal.throwIfAborted();
      if (!isQuiet) report.problem(`${placeText({ host, port, sni, address })}: ${reasonText(error)}`);
    }
  }
}

function placeText({
  host,
  port,
  sni,
  address,
}: Record<"host" | "sni" | "address", string> & { port: number }): string {
  const at = isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
  if (sni === address) return at;
  return sni === host || host === address ? `${sni} at ${at}` : `${sni} at ${at} (${host})`;
}

function reasonText(error: unknown): string {
  if (error instanceof Error && error.name === "TimeoutError") return "no answer in time";
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return `no handshake${code === "" ? "" : ` (${code})`}`;
}

/** Addresses that may not be dialled: one sentence for all of them. */
class Refused {
  #count = 0;
  #first = "";
  add(host: string, address: string): void {
    this.#count += 1;
    if (this.#first === "") this.#first = host === address ? address : `${host} is ${address}`;
  }
  tell(report: DiscoveryReport): void {
    if (this.#count === 0) return;
    const which = this.#count === 1 ? "one address is" : `${this.#count} addresses are`;
    report.problem(
      `${which} private, link-local or of this machine, and not dialled (${this.#first}): allow what is yours in ` +
        "`discovery.allow`, or with --allow",
    );
  }
}
