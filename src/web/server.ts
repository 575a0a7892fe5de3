import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer as createHttpServer, type RequestListener, type Server } from "node:http";
import { createServer as createHttpsServer, type Server as SecureServer, type ServerOptions } from "node:https";
import { createSecureContext } from "node:tls";
import { RenewalError } from "../domain/errors.ts";
import type { Log } from "../domain/log.ts";
import { type ConnectionLimits, limitConnections } from "./connectionLimits.ts";
import { BACKLOG } from "./listen.ts";

/** Of the default port and its successors. */
const PORTS_TRIED_MAX = 100;
const HEADERS_TIMEOUT_MS = 10_000;
/** A proxy before it brings all connections from one address, each with its request. */
const LIMITS: ConnectionLimits = {
  connectionsMax: 1_000,
  incompletePerAddressMax: 100,
  headersMaxMs: HEADERS_TIMEOUT_MS,
  connectionMaxMs: null,
};
const REQUEST_TIMEOUT_MS = 30_000;
/** Certificate files are read again this often. */
const TLS_CHECK_MS = 60_000;
const CLOSE_TIMEOUT_MS = 2_000;

export interface WebAddress {
  readonly host: string;
  /** null: `firstPort`, or the next that is free. */
  readonly port: number | null;
  readonly tls: { readonly certificate: string; readonly key: string } | null;
}

export interface WebServer {
  /** Such as `http://127.0.0.1:8280`. */
  readonly url: string;
  close(): Promise<void>;
}

interface ServerParts extends WebAddress {
  readonly firstPort: number;
  readonly listener: RequestListener;
  readonly log: Log;
  /** How often the certificate's files are read again. */
  readonly tlsCheckMs?: number;
}

/** Throws `web.address` when it cannot listen, and `web.files` for a certificate that cannot be used. */
export async function startWebServer(parts: ServerParts): Promise<WebServer> {
  const { tls, listener, log } = parts;
  const options = { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS, maxHeaderSize: 16_384 };
  const pair = tls === null ? null : await readPair(tls);
  const secure = pair === null ? null : secureServer({ ...options, ...pair }, listener);
  const server = secure ?? createHttpServer(options, listener);
  limitConnections(server, LIMITS);
  const port = await listenSomewhere(server, parts);
  server.on("error", (err) => log.error({ err }, "web server failed"));
  const refreshing = tls === null || secure === null ? null : refreshPair(secure, tls, parts);
  const host = shownHost(parts.host);
  return {
    url: `${tls === null ? "http" : "https"}://${host}:${port}`,
    async close() {
      clearInterval(refreshing ?? undefined);
      if (!server.listening) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      server.closeIdleConnections();
      // Event streams do not end by themselves; a request that runs gets its answer.
      const timer = setTimeout(() => server.closeAllConnections(), CLOSE_TIMEOUT_MS);
      await promise;
      clearTimeout(timer);
    },
  };
}

function secureServer(options: ServerOptions, listener: RequestListener): SecureServer {
  try {
    return createHttpsServer({ ...options, minVersion: "TLSv1.2" }, listener);
  } catch (cause) {
    throw unusable(cause);
  }
}

interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** Certificate and key, which fit. Throws `web.files`. */
export async function readPair({ certificate, key }: NonNullable<WebAddress["tls"]>): Promise<Pair> {
  const read = async (path: string): Promise<string> => {
    try {
      return await readFile(path, "utf8");
    } catch (cause) {
      const why = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
      throw new RenewalError("web.files", `web.tls: cannot read ${path} (${why})`, { cause });
    }
  };
  const pair = { cert: await read(certificate), key: await read(key) };
  try {
    // Node takes an empty text for "none" and would serve without: a file that is being written is empty for a moment.
    const leaf = new X509Certificate(pair.cert);
    if (!leaf.checkPrivateKey(createPrivateKey(pair.key))) throw new Error("the key is of another certificate");
    createSecureContext(pair);
  } catch (cause) {
    throw unusable(cause);
  }
  return pair;
}

/** A renewed certificate is served without a restart; one that does not fit keeps the one before. */
function refreshPair(
  server: SecureServer,
  tls: NonNullable<WebAddress["tls"]>,
  { log, tlsCheckMs = TLS_CHECK_MS }: ServerParts,
): NodeJS.Timeout {
  let served = "";
  const refresh = async (): Promise<void> => {
    try {
      const pair = await readPair(tls);
      if (served === pair.cert) return;
      server.setSecureContext(pair);
      served = pair.cert;
    } catch (thrown) {
      log.error({ err: thrown }, "web.tls was not read again; the certificate before is still served");
    }
  };
  return setInterval(() => void refresh(), tlsCheckMs).unref();
}

async function listenSomewhere(server: Server | SecureServer, { host, port, firstPort }: ServerParts): Promise<number> {
  const first = port ?? firstPort;
  const last = port === null ? Math.min(firstPort + PORTS_TRIED_MAX - 1, 65_535) : first;
  for (let each = first; ; each += 1) {
    const code = await listenAt(server, host, each);
    if (code === null) return each;
    if (code !== "EADDRINUSE" || each === last) throw cannotListen(host, each, code);
  }
}

/** null: it listens. */
function listenAt(server: Server | SecureServer, host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const settle = (code: string | null): void => {
      server.off("error", failed);
      server.off("listening", listening);
      resolve(code);
    };
    const failed = (error: Error): void => settle("code" in error ? String(error.code) : error.message);
    const listening = (): void => settle(null);
    server.once("error", failed);
    server.once("listening", listening);
    server.listen({ host, port, backlog: BACKLOG });
  });
}

const WHY_NOT: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program listens there",
  EADDRNOTAVAIL: "this machine has no such address: correct `web.host`",
  EACCES: "no permission: set `web.port` above 1023",
  ENOTFOUND: "the name does not resolve: set `web.host` to an address of this machine",
};

function cannotListen(host: string, port: number, code: string): RenewalError {
  const why = WHY_NOT[code] ?? code;
  return new RenewalError("web.address", `web: cannot listen on port ${port} of ${host}: ${why}`);
}

function unusable(cause: unknown): RenewalError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new RenewalError("web.files", `web.tls: certificate and key cannot be used: ${why}`, { cause });
}

/** What a browser on this machine can open. */
function shownHost(host: string): string {
  if (host === "::" || host === "0.0.0.0") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}
