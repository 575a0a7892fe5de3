import type { Config } from "../config/config.ts";
import { toRenewalError } from "../domain/errors.ts";
import type { Store } from "../domain/store.ts";
import type { Context } from "../renewal/context.ts";
import { newCounters } from "../solvers/dns/server/counters.ts";
import { dnsServer, servedZones, storedValues } from "../solvers/dns/server/kind.ts";
import { type DnsServer, startDnsServer } from "../solvers/dns/server/server.ts";
import type { ServedZone } from "../solvers/dns/server/zone.ts";
import type { ListeningAddress } from "../web/listen.ts";
import type { ProblemNote } from "./beats.ts";
import { withHolder } from "./portHolder.ts";
import { repeat } from "./repeat.ts";

const RETRY_MS = 10_000;
/** How often what was answered is added to the totals. */
const COUNT_MS = 10_000;

export interface NameServerSettings {
  readonly hosts: readonly string[];
  readonly port: number;
  /** Of every configured solver; empty: nothing listens. */
  readonly zones: readonly ServedZone[];
}

/** The name server of this process, where a solver needs one. */
export interface NameServer {
  /** Serves other zones, or at other addresses. If it cannot, it goes on where it is, and throws. */
  move(to: NameServerSettings): Promise<void>;
  close(): Promise<void>;
}

export interface NameServerOptions {
  readonly at: NameServerSettings;
  /** Of this installation. */
  readonly identity?: string;
  /** What keeps it from listening; null: nothing any more. */
  readonly note: (problem: ProblemNote | null) => void;
}

/** Where it listens; nowhere without a zone. */
export function nameServerAddresses({ hosts, port, zones }: NameServerSettings): ListeningAddress[] {
  return zones.length === 0 ? [] : hosts.map((host) => ({ host, port }));
}

export function nameServerSettings({ dnsServer: { hosts, port }, solvers }: Config): NameServerSettings {
  const own = [...solvers.values()].filter(({ plugin }) => plugin.type === dnsServer.type);
  return { hosts, port, zones: own.flatMap(({ options }) => servedZones(options)) };
}

/** Starts to listen. What is in the way is reported and tried again, while the other roles of the process run. */
export async function startNameServer(
  { store, log, clock }: Pick<Context, "log" | "clock"> & { readonly store: Pick<Store, "dns" | "nameServerTotals"> },
  { at, identity, note }: NameServerOptions,
): Promise<NameServer> {
  const lookUp = storedValues(store.dns.records, clock.now);
  const stopped = new AbortController();
  const counters = newCounters();
  const countAll = async (): Promise<void> => {
    const counts = counters.take();
    if (counts.length === 0) return;
    await store.nameServerTotals.add(counts, clock.now()).catch((thrown: unknown) => {
      counters.putBack(counts);
      log.debug({ err: toRenewalError(thrown) }, "DNS answers not counted yet");
    });
  };
  const counting = repeat(COUNT_MS, countAll, () => {});
  let current = at;
  let server: DnsServer | null = null;
  const switchTo = async (to: NameServerSettings): Promise<void> => {
    const before = server;
    // The old one goes on until the new one listens: both may share a port.
    server =
      to.zones.length === 0
        ? null
        : await startDnsServer({
            ...to,
            ...(identity !== undefined && { identity }),
            zones: () => current.zones,
            ...{ lookUp, counters, log },
          });
    current = to;
    note(null);
    if (server !== null)
      log.info({ hosts: to.hosts, port: server.port, zones: to.zones.map(({ name }) => name) }, "DNS server listening");
    await before?.close();
  };
  const tryToListen = async (): Promise<boolean> => {
    try {
      await switchTo(current);
      return true;
    } catch (thrown) {
      const error = toRenewalError(thrown);
      if (error.code !== "dnsServer.address") throw thrown;
      const { message, facts } = await withHolder(error, current.port);
      log.error({ action: facts.action }, message);
      note({ message, action: facts.action });
      return false;
    }
  };
  const retry = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      await clock.sleep(RETRY_MS, stopped.signal);
      if (server !== null || (await tryToListen())) return;
    }
  };
  let retrying = Promise.resolve();
  if (!(await tryToListen()))
    retrying = retry().catch((thrown: unknown) => {
      if (!stopped.signal.aborted) log.error({ err: toRenewalError(thrown) }, "DNS server not started");
    });
  return {
    async move(to) {
      const isSamePlace = to.port === current.port && to.hosts.join() === current.hosts.join();
      const isListening = server !== null;
      if (isSamePlace && isListening && to.zones.length > 0) current = to;
      else await switchTo(to);
    },
    async close() {
      stopped.abort();
      await retrying;
      await server?.close();
      await counting.close();
      await countAll();
    },
  };
}
