import { isIPv4, isIPv6 } from "node:net";
import { RenewalError } from "../../../domain/errors.ts";
import type { Log } from "../../../domain/log.ts";
import type { LookUp } from "./answer.ts";
import { type DnsCounters, newCounters } from "./counters.ts";
import { createRateLimit, type RateLimit } from "./rateLimit.ts";
import { createResponder } from "./respond.ts";
import { listenTcp } from "./tcp.ts";
import { type Listener, type Listening, listenUdp } from "./udp.ts";
import type { ServedZone } from "./zone.ts";

export interface DnsServerOptions {
  /** Addresses to listen on, at least one. */
  readonly hosts: readonly string[];
  /** 0: any free port. */
  readonly port: number;
  /** Of the configuration as it is now. */
  readonly zones: () => readonly ServedZone[];
  readonly lookUp: LookUp;
  /** Of this installation, see `Responding`. */
  readonly identity?: string;
  readonly rateLimit?: RateLimit;
  readonly counters?: DnsCounters;
  readonly log?: Log;
}

export interface DnsServer {
  readonly port: number;
  close(): Promise<void>;
}

/** A CA validates hundreds of names at once from few addresses, each with several questions. */
const RATE_LIMIT: RateLimit = { perSecond: 200, burst: 2_000 };
const WAITING_MAX = 500;
/** A free port of one protocol may be taken in the other. */
const PORT_ATTEMPTS_MAX = 10;

/**
 * An authoritative name server for the zones that are delegated to renewd, over UDP and TCP, and for nothing else: it
 * faces the Internet, never asks another server and never sends more than was asked for. It reads what any process put
 * into the store. Throws `dnsServer.address` when it cannot listen; later failures only answer SERVFAIL.
 */
export async function startDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  const { log, counters = newCounters() } = options;
  const listeners: Listener[] = [];
  const respond = createResponder({ ...options, counters, waitingMax: WAITING_MAX });
  const judge = createRateLimit(options.rateLimit ?? RATE_LIMIT);
  const close = async (): Promise<void> => {
    await Promise.all(listeners.map((listener) => listener.close()));
  };
  const listen = async ({ host, port }: Pick<Listening, "host" | "port">): Promise<number> => {
    const ipv6Only = isIPv6(host) && options.hosts.some((each) => isIPv4(each));
    const common = { host, ipv6Only, respond, ...(log !== undefined && { log }) };
    const tcp = await listenTcp({ ...common, port }, counters);
    listeners.push(tcp);
    listeners.push(await listenUdp({ ...common, port: tcp.port }, judge));
    return tcp.port;
  };
  let port = options.port;
  try {
    for (const host of options.hosts) port = port === 0 ? await anyPort(host, listen) : await listen({ host, port });
  } catch (error) {
    await close();
    throw addressProblem(error, options);
  }
  return { port, close };
}

const WHY_NOT: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program listens there, often systemd-resolved or BIND: set `dnsServer.hosts` to one address",
  EACCES: "no permission: give the process CAP_NET_BIND_SERVICE, as the systemd unit in deploy/ does",
  EADDRNOTAVAIL: "this machine has no such address: correct `dnsServer.hosts`",
};

function addressProblem(cause: unknown, { hosts, port }: DnsServerOptions): unknown {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (!/^E[A-Z]+$/.test(code)) return cause;
  const where = hosts.map((host) => `${host} port ${port}`).join(", ");
  return new RenewalError("dnsServer.address", `DNS server: cannot listen on ${where}: ${WHY_NOT[code] ?? code}`, {
    cause,
  });
}

async function anyPort(
  host: string,
  listen: (where: Pick<Listening, "host" | "port">) => Promise<number>,
): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await listen({ host, port: 0 });
    } catch (error) {
      if (attempt === PORT_ATTEMPTS_MAX) throw error;
    }
  }
}
