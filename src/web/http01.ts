import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { RenewalError } from "../domain/errors.ts";
import type { ChallengeResponses } from "../domain/issuer.ts";
import type { Log } from "../domain/log.ts";
import { type ConnectionLimits, limitConnections } from "./connectionLimits.ts";

const PREFIX = "/.well-known/acme-challenge/";
/** base64url (RFC 8555 §8.3). The bound keeps rubbish away from the database. */
const TOKEN = /^[A-Za-z0-9_-]{16,256}$/;
/** No CA asks for it: a token that no order has. */
export const IDENTITY_PATH = `${PREFIX}renewd-installation`;
const HEADERS_TIMEOUT_MS = 3_000;
const LIMITS: ConnectionLimits = {
  connectionsMax: 1_000,
  incompletePerAddressMax: 30,
  headersMaxMs: HEADERS_TIMEOUT_MS,
  connectionMaxMs: 10_000,
};
/** Connections that the kernel keeps while we accept others; it takes no more than net.core.somaxconn. */
const BACKLOG = 4_096;

const ANY_ADDRESS = "::";
const ANY_IPV4_ADDRESS = "0.0.0.0";
const WITHOUT_IPV6: readonly string[] = ["EAFNOSUPPORT", "EADDRNOTAVAIL"];

export interface ListeningAddress {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

export interface Http01ResponderOptions extends ListeningAddress {
  readonly challenges: Pick<ChallengeResponses, "get">;
  /** Served at `IDENTITY_PATH`: two installations on one port find each other by it. Not secret. */
  readonly identity?: string;
  readonly log?: Log;
}

export interface Http01Responder {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves key authorizations to the CA (RFC 8555 §8.3) and nothing else: it faces the Internet. It reads what any ACME
 * worker stored, so it may run in another process. Throws `http01.address` when it cannot listen; later failures only
 * answer 503.
 */
export async function startHttp01Responder(options: Http01ResponderOptions): Promise<Http01Responder> {
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: HEADERS_TIMEOUT_MS,
      keepAliveTimeout: 1000,
      maxHeaderSize: 8192,
      connectionsCheckingInterval: 1000,
    },
    (request, response) => {
      answer(request, options)
        .catch((err: unknown): Reply => {
          options.log?.error({ err }, "http-01 answer could not be read from the store");
          return { status: 503, body: "" };
        })
        .then((reply) => send(request, response, reply))
        .catch((err: unknown) => options.log?.error({ err }, "http-01 answer could not be sent"));
    },
  );
  limitConnections(server, LIMITS);
  // Several ACME workers of one machine share the port; whichever the kernel picks can answer for all.
  await listen(server, options);
  server.on("error", (err) => options.log?.error({ err }, "http-01 responder failed"));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : options.port,
    async close() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** `::` also takes IPv4 connections; a machine without IPv6 listens on all IPv4 addresses instead. */
async function listen(server: Server, { host, port }: ListeningAddress): Promise<void> {
  try {
    await listenAt(server, { host, port });
  } catch (error) {
    const code = codeOf(error);
    if (host !== ANY_ADDRESS || !WITHOUT_IPV6.includes(code)) throw listenError({ host, port }, error);
    await listenAt(server, { host: ANY_IPV4_ADDRESS, port }).catch((second: unknown) => {
      throw listenError({ host: ANY_IPV4_ADDRESS, port }, second);
    });
  }
}

async function listenAt(server: Server, { host, port }: ListeningAddress): Promise<void> {
  // Several ACME workers of one machine share the port; whichever the kernel picks can answer for all.
  server.listen({ port, host, reusePort: true, backlog: BACKLOG });
  await once(server, "listening");
}

function listenError({ host, port }: ListeningAddress, cause: unknown): RenewalError {
  const code = codeOf(cause);
  const at = `port ${port} of ${host === ANY_ADDRESS ? "this machine" : host}`;
  const why = WHY_NOT[code]?.(at, host) ?? `cannot listen on ${at}: ${code || String(cause)}`;
  return new RenewalError("http01.address", `http-01 responder: ${why}`, { cause });
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

const WHY_NOT: Readonly<Record<string, (at: string, host: string) => string>> = {
  EADDRINUSE: (at) =>
    `another program listens on ${at}: stop it, or let it forward /.well-known/acme-challenge/ to renewd at another ` +
    "`http01.port`, or use a `webroot` solver below its document root (docs/port80.md)",
  EACCES: (at) =>
    `no permission to listen on ${at}: give the process CAP_NET_BIND_SERVICE, as the systemd unit in deploy/ does, ` +
    "or set `http01.port` above 1023 and forward port 80 to it",
  EADDRNOTAVAIL: (_at, host) => `this machine has no address ${host}: correct \`http01.host\``,
  ENOTFOUND: (_at, host) => `${host} does not resolve: set \`http01.host\` to an address of this machine`,
};

interface Reply {
  readonly status: number;
  readonly body: string;
}

async function answer(
  request: IncomingMessage,
  { challenges, identity }: Pick<Http01ResponderOptions, "challenges" | "identity">,
): Promise<Reply> {
  if (request.url === IDENTITY_PATH && identity !== undefined) return { status: 200, body: identity };
  const token = tokenOf(request);
  const body = token === null ? null : await challenges.get(token);
  return body === null ? { status: 404, body: "" } : { status: 200, body };
}

function tokenOf({ method, url = "" }: IncomingMessage): string | null {
  if ((method !== "GET" && method !== "HEAD") || !url.startsWith(PREFIX)) return null;
  // A query is not ours, but some middle boxes add one.
  const token = url.slice(PREFIX.length).split("?", 1)[0] ?? "";
  return TOKEN.test(token) ? token : null;
}

function send(request: IncomingMessage, response: ServerResponse, { status, body }: Reply): void {
  response.writeHead(status, {
    // Browsers must never take a CA-chosen token for a page.
    "content-type": "application/octet-stream",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "content-length": Buffer.byteLength(body),
    connection: "close",
  });
  response.end(request.method === "HEAD" ? undefined : body);
}
