import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { Agent, type RequestOptions, request } from "node:https";
import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate } from "node:zlib";
import { deadlineAfter } from "../domain/abort.ts";
import { RenewalError } from "../domain/errors.ts";
import { sanitize } from "../domain/text.ts";
import { formatDuration } from "../domain/time.ts";
import { splitPem } from "../x509/pem.ts";
import { connectionError, isTlsDistrust, untrustedError } from "./connection.ts";

/** A chain of ten RSA-4096 certificates is 25 kB, an order with a hundred names 20 kB. */
const RESPONSE_BYTES_MAX = 1024 * 1024;
/** Shorter than servers keep idle connections: a request must not be sent into one that is just being closed. */
const IDLE_TIMEOUT_MS = 4000;
/** Node's limit for opening a tunnel and for keeping it idle are one; a proxy may have to look the CA up first. */
const TUNNEL_TIMEOUT_MS = 10_000;
const SOCKETS_MAX = 16;
/** Some caches and gateways compress although the request asks for plain text. */
const DECODERS = new Map([
  ["gzip", promisify(gunzip)],
  ["x-gzip", promisify(gunzip)],
  ["br", promisify(brotliDecompress)],
  ["deflate", promisify(inflate)],
]);
/** Printable ASCII only: the URL parser would silently drop line breaks that a log would show. */
const URL_TEXT = /^[\x21-\x7e]{1,2000}$/;
/** RFC 8555 §6.1 wants one; Pebble answers 400 without. */
const USER_AGENT = "renewd (https://www.rfc-editor.org/rfc/rfc8555)";

export interface TransportOptions {
  /** The issuer's name in configuration, for messages. */
  readonly issuer: string;
  readonly directory: string;
  /** The only roots trusted, as PEM; null: the process's own. */
  readonly trustPem: string | null;
  /** http URL of a CONNECT proxy, without credentials; null: none. Proxies of the environment are never used. */
  readonly proxy: string | null;
  /** For one request from connect to the last byte of its answer. */
  readonly requestTimeoutMs: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Transport {
  /**
   * Resolves for any status, but for redirects of GET only. Throws `acme.connection|timeout|untrusted|directory` or the
   * signal's reason.
   */
  send(method: "GET" | "HEAD" | "POST", url: string, body: string | null, signal: AbortSignal): Promise<Answer>;
  /** Whether renewd may send requests to this URL: only to the directory's own origin. */
  owns(url: string): boolean;
}

/**
 * HTTPS to one CA. It replaces acme-client's axios, which has no timeout, no AbortSignal, no trust of its own, opens a
 * connection per request and sleeps in-process on 429. It never follows a CA to another origin: all requests, also
 * those that a hostile answer causes, go to the server that the operator named.
 */
export function createTransport(options: TransportOptions): Transport {
  const origin = originOf(options);
  const trust = trustOf(options);
  const agent = new Agent({
    keepAlive: true,
    maxSockets: SOCKETS_MAX,
    ...(options.proxy === null
      ? { timeout: IDLE_TIMEOUT_MS }
      : { timeout: TUNNEL_TIMEOUT_MS, proxyEnv: { HTTPS_PROXY: options.proxy } }),
    ...(trust !== null && { ca: trust }),
  });
  const owns = (url: string): boolean =>
    URL_TEXT.test(url) && URL.canParse(url) && new URL(url).origin === origin && new URL(url).username === "";
  return {
    owns,
    async send(method, url, body, signal) {
      signal.throwIfAborted();
      if (!owns(url)) {
        throw new RenewalError(
          "acme.directory",
          `CA "${options.issuer}" pointed to ${sanitize(url, 200)}, outside ${origin}: renewd talks to the directory's own origin only.`,
        );
      }
      using deadline = deadlineAfter(options.requestTimeoutMs, signal);
      const headers = {
        "user-agent": USER_AGENT,
        "accept-encoding": "identity",
        ...(body !== null && { "content-type": "application/jose+json", "content-length": Buffer.byteLength(body) }),
      };
      try {
        const answer = await exchange(url, { method, headers, agent, signal: deadline.signal }, body);
        // A GET may be followed by its caller; a signed request is never sent to another URL (RFC 8555 §6.4).
        if (method === "GET" || answer.status < 300 || answer.status > 399) return answer;
      } catch (cause) {
        signal.throwIfAborted();
        if (deadline.isOver()) {
          const through = options.proxy === null ? "" : ` through proxy ${options.proxy}`;
          throw new RenewalError(
            "acme.timeout",
            `CA "${options.issuer}" at ${origin} did not answer${through} within ${formatDuration(options.requestTimeoutMs)}.`,
            {
              cause,
            },
          );
        }
        if (isTlsDistrust(cause)) throw untrustedError(options.issuer, origin, cause);
        throw connectionError({ issuer: options.issuer, origin, proxy: options.proxy }, cause);
      }
      throw new RenewalError(
        "acme.directory",
        `CA "${options.issuer}" redirected a request; if it repeats, set the issuer's \`directory\` to the final URL.`,
      );
    },
  };
}

function originOf({ issuer, directory }: TransportOptions): string {
  const url = URL.canParse(directory) ? new URL(directory) : null;
  // RFC 8555 §6.1: HTTPS is required.
  if (url?.protocol !== "https:")
    throw new RenewalError("config.invalid", `The directory of CA "${issuer}" is not an https:// URL.`);
  return url.origin;
}

/** Parsed here because Node takes an empty `ca` for "use the defaults". */
function trustOf({ issuer, trustPem }: TransportOptions): string[] | null {
  if (trustPem === null) return null;
  const roots = splitPem(trustPem);
  if (roots.length === 0)
    throw new RenewalError("config.invalid", `\`trust\` of issuer "${issuer}" holds no PEM certificate.`);
  return roots;
}

function exchange(url: string, options: RequestOptions, body: string | null): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, options, (response) => {
      readBody(response).then(
        (text) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
        reject,
      );
    });
    outgoing.on("error", reject);
    outgoing.end(body ?? undefined);
  });
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += chunk.length;
    // Leaving the loop destroys the response and its socket.
    if (bytes > RESPONSE_BYTES_MAX) throw new Error(`the answer is longer than ${RESPONSE_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  const encoding = response.headers["content-encoding"]?.trim().toLowerCase() ?? "identity";
  if (encoding === "identity" || body.length === 0) return body.toString("utf8");
  const decode = DECODERS.get(encoding);
  if (decode === undefined) throw new Error("the answer is compressed in an unknown way");
  return (await decode(body, { maxOutputLength: RESPONSE_BYTES_MAX })).toString("utf8");
}
