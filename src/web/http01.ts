import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { CHALLENGE_PATH, IDENTITY_PATH } from "../domain/challengeToken.ts";
import type { ChallengeResponses } from "../domain/issuer.ts";
import type { Log } from "../domain/log.ts";
import type { ConnectionLimits } from "./connectionLimits.ts";
import { type Listener, type ListenerWords, type ListeningAddress, serve } from "./listen.ts";

/** base64url (RFC 8555 §8.3). The bound keeps rubbish away from the database. */
const TOKEN = /^[A-Za-z0-9_-]{16,256}$/;
const HEADERS_TIMEOUT_MS = 3_000;
const LIMITS: ConnectionLimits = {
  connectionsMax: 1_000,
  incompletePerAddressMax: 30,
  headersMaxMs: HEADERS_TIMEOUT_MS,
  connectionMaxMs: 10_000,
};
const WORDS: ListenerWords = {
  code: "http01.address",
  name: "http-01 responder",
  section: "http01",
  publicPort: 80,
  sharing:
    "let it forward /.well-known/acme-challenge/ to renewd at another `http01.port`, or use a `webroot` solver below " +
    "its document root (docs/port80.md)",
};

export interface Http01ResponderOptions extends ListeningAddress {
  readonly challenges: Pick<ChallengeResponses, "get">;
  /** Served at `IDENTITY_PATH`: two installations on one port find each other by it. Not secret. */
  readonly identity?: string;
  readonly log?: Log;
}

/**
 * Serves key authorizations to the CA (RFC 8555 §8.3) and nothing else: it faces the Internet. It reads what any ACME
 * worker stored, so it may run in another process. Throws `http01.address` when it cannot listen; later failures only
 * answer 503.
 */
export async function startHttp01Responder(options: Http01ResponderOptions): Promise<Listener> {
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
  const { host, port, log } = options;
  const dropConnections = (): void => server.closeAllConnections();
  return serve(server, { host, port, log, words: WORDS, limits: LIMITS, dropConnections });
}

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
  if ((method !== "GET" && method !== "HEAD") || !url.startsWith(CHALLENGE_PATH)) return null;
  // A query is not ours, but some middle boxes add one.
  const token = url.slice(CHALLENGE_PATH.length).split("?", 1)[0] ?? "";
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
