import { once } from "node:events";
import type { Server } from "node:net";
import { RenewalError } from "../domain/errors.ts";
import type { Log } from "../domain/log.ts";
import { type ConnectionLimits, limitConnections } from "./connectionLimits.ts";

/** Connections that the kernel keeps while we accept others; it takes no more than net.core.somaxconn. */
export const BACKLOG = 4_096;
const ANY_ADDRESS = "::";
const ANY_IPV4_ADDRESS = "0.0.0.0";
const WITHOUT_IPV6: readonly string[] = ["EAFNOSUPPORT", "EADDRNOTAVAIL"];

export interface ListeningAddress {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/** A listener of a process; all processes of a machine may share its port. */
export interface Listener {
  readonly port: number;
  close(): Promise<void>;
}

export interface ListenerWords {
  readonly code: "http01.address" | "tlsAlpn01.address";
  readonly name: string;
  /** Of the configuration. */
  readonly section: "http01" | "tlsAlpn01";
  /** Where the CA connects. */
  readonly publicPort: number;
  /** What to do when another program has the port. */
  readonly sharing: string;
}

export interface Serving extends ListeningAddress {
  readonly words: ListenerWords;
  readonly limits: ConnectionLimits;
  readonly log?: Log | undefined;
  /** Ends the connections that are open when it closes. */
  dropConnections(): void;
}

/** A server that faces the Internet, within its limits, until it is closed. Throws `words.code` when it cannot listen. */
export async function serve(
  server: Server,
  { words, limits, log, dropConnections, ...at }: Serving,
): Promise<Listener> {
  limitConnections(server, limits);
  const port = await listen(server, at, words);
  server.on("error", (err) => log?.error({ err }, `${words.name} failed`));
  return {
    port,
    async close() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      dropConnections();
      await closed;
    },
  };
}

/**
 * `::` also takes IPv4 connections; a machine without IPv6 listens on all IPv4 addresses instead. Returns the port.
 * Throws `words.code` when it cannot listen.
 */
async function listen(server: Server, { host, port }: ListeningAddress, words: ListenerWords): Promise<number> {
  try {
    return await listenAt(server, { host, port });
  } catch (error) {
    const code = codeOf(error);
    if (host !== ANY_ADDRESS || !WITHOUT_IPV6.includes(code)) throw listenError({ host, port }, words, error);
    return listenAt(server, { host: ANY_IPV4_ADDRESS, port }).catch((second: unknown) => {
      throw listenError({ host: ANY_IPV4_ADDRESS, port }, words, second);
    });
  }
}

async function listenAt(server: Server, { host, port }: ListeningAddress): Promise<number> {
  // Several ACME workers of one machine share the port; whichever the kernel picks can answer for all.
  server.listen({ port, host, reusePort: true, backlog: BACKLOG });
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}

function listenError({ host, port }: ListeningAddress, words: ListenerWords, cause: unknown): RenewalError {
  const code = codeOf(cause);
  const at = `port ${port} of ${host === ANY_ADDRESS ? "this machine" : host}`;
  const why = WHY_NOT[code]?.(at, host, words) ?? `cannot listen on ${at}: ${code || String(cause)}`;
  return new RenewalError(words.code, `${words.name}: ${why}`, { cause });
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

const WHY_NOT: Readonly<Record<string, (at: string, host: string, words: ListenerWords) => string>> = {
  EADDRINUSE: (at, _host, { sharing }) => `another program listens on ${at}: stop it, or ${sharing}`,
  EACCES: (at, _host, { section, publicPort }) =>
    `no permission to listen on ${at}: give the process CAP_NET_BIND_SERVICE, as the systemd unit in deploy/ does, ` +
    `or set \`${section}.port\` above 1023 and forward port ${publicPort} to it`,
  EADDRNOTAVAIL: (_at, host, { section }) => `this machine has no address ${host}: correct \`${section}.host\``,
  ENOTFOUND: (_at, host, { section }) =>
    `${host} does not resolve: set \`${section}.host\` to an address of this machine`,
};
