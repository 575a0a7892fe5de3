import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { ChallengeResponses } from "../domain/issuer.ts";
import type { Log } from "../domain/log.ts";
import { type ConnectionLimits, limitConnections } from "./connectionLimits.ts";

const PREFIX = "/.well-known/acme-challenge/";
/** base64url (RFC 8555 §8.3). The bound keeps rubbish away from the database. */
const TOKEN = /^[A-Za-z0-9_-]{16,256}$/;
const HEADERS_TIMEOUT_MS = 3_000;
const LIMITS: ConnectionLimits = {
  connectionsMax: 1_000,
  incompletePerAddressMax: 30,
  headersMaxMs: HEADERS_TIMEOUT_MS,
  connectionMaxMs: 10_000,
};
/** Connections that the kernel keeps while we accept others; it takes no more than net.core.somaxconn. */
const BACKLOG = 4_096;

export interface Http01ResponderOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly challenges: Pick<ChallengeResponses, "get">;
  readonly log?: Log;
}

export interface Http01Responder {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves key authorizations to the CA (RFC 8555 §8.3) and nothing else: it faces the Internet. It reads what any ACME
 * worker stored, so it may run in another process. Rejects when it cannot listen; later failures only answer 503.
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
      answer(request, options.challenges)
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
  server.listen({ port: options.port, host: options.host, reusePort: true, backlog: BACKLOG });
  await once(server, "listening");
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

interface Reply {
  readonly status: number;
  readonly body: string;
}

async function answer(request: IncomingMessage, challenges: Pick<ChallengeResponses, "get">): Promise<Reply> {
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
