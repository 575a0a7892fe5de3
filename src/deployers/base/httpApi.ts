import type { IncomingMessage } from "node:http";
import { deadlineAfter } from "../../domain/abort.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { ErrorCode } from "../../domain/errorTable.ts";
import type { Secret } from "../../domain/secret.ts";
import { DAY_MS, formatDuration, retryAfterInstant } from "../../domain/time.ts";
import { bareCause, networkProblem } from "./networkProblem.ts";
import { sanitizeAnswer } from "./sanitizeAnswer.ts";

/** A vendor's quota lasts for a month at most. */
export const RETRY_AFTER_MAX_MS = 31 * DAY_MS;

const ANSWER_BYTES_MAX = 8 * 1024 * 1024;

export interface HttpApi {
  /** Its name for people, such as `Vault at https://vault.example:8200`. */
  readonly name: string;
  readonly timeoutMs: number;
  /** CAs trusted instead of the system's, PEM. */
  readonly ca?: string | undefined;
  /** Left out: the vendor documents no error text, so none is quoted. */
  readonly errorText?: ErrorText;
}

/**
 * Reads the vendor's documented error text out of an answer's body; null: there is none. Only this is ever quoted: the
 * rest of an answer may repeat the request, which holds the key.
 */
export type ErrorText = (body: string) => string | null;

export interface HttpCall {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Never shown, should the answer hold them. */
  readonly secrets?: readonly Secret[];
  /** A UNIX socket to dial instead of the URL's host. */
  readonly socketPath?: string;
  /** Statuses besides 2xx that the caller handles itself. */
  readonly expected?: readonly number[];
}

export interface HttpAnswer {
  readonly status: number;
  /** Lower-case names; trailers too. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/**
 * One bounded request to a target's API, never repeated and never redirected: a redirect could carry the key elsewhere.
 * Throws `deploy.unreachable`, `deploy.timeout`, `deploy.rateLimited` (with Retry-After, RFC 9110 §10.2.3),
 * `deploy.forbidden` or `deploy.refused`.
 */
export async function callHttp(api: HttpApi, call: HttpCall, signal: AbortSignal): Promise<HttpAnswer> {
  signal.throwIfAborted();
  using deadline = deadlineAfter(api.timeoutMs, signal);
  const what = `${api.name}: ${call.method} ${call.url.pathname}`;
  let answer: HttpAnswer;
  try {
    answer = await send(api, call, deadline.signal);
  } catch (error) {
    signal.throwIfAborted();
    if (deadline.isOver())
      throw new RenewalError("deploy.timeout", `${what} did not answer within ${formatDuration(api.timeoutMs)}`);
    throw new RenewalError(
      "deploy.unreachable",
      `${what}: ${sanitizeAnswer(networkProblem(error), ...(call.secrets ?? []))}`,
      { cause: bareCause(error) },
    );
  }
  const { status } = answer;
  if ((status >= 200 && status < 300) || call.expected?.includes(status)) return answer;
  throw answerError(failedAnswer(api, what, answer), call.secrets ?? []);
}

export interface FailedAnswer {
  /** Names the target and the request. */
  readonly what: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** null: there is none that may be quoted. */
  readonly errorText: string | null;
  /** Of the whole body; null: unknown. */
  readonly bytes: number | null;
}

export function failedAnswer(
  api: Pick<HttpApi, "errorText">,
  what: string,
  { status, headers, text }: HttpAnswer,
): FailedAnswer {
  return { what, status, headers, errorText: api.errorText?.(text) ?? null, bytes: Buffer.byteLength(text) };
}

/** What an answer that is no success means, by its status alone (RFC 9110 §15). */
export function answerError(answer: FailedAnswer, secrets: readonly Secret[]): RenewalError {
  const { what, status, errorText, bytes } = answer;
  const said = errorText === null ? "" : sanitizeAnswer(errorText, ...secrets);
  const length = bytes === null || bytes === 0 ? "" : ` with ${bytes} bytes that are not shown`;
  const retryAt = retryAfter(answer, Date.now());
  return new RenewalError(
    codeOf(status),
    `${what} answered ${status}${said === "" ? length : `: ${said}`}`,
    retryAt === null ? {} : { retryAt },
  );
}

function codeOf(status: number): ErrorCode {
  if (status === 401 || status === 403) return "deploy.forbidden";
  if (status === 429) return "deploy.rateLimited";
  return status >= 500 || status === 408 ? "deploy.unreachable" : "deploy.refused";
}

function retryAfter({ status, headers }: FailedAnswer, now: number): number | null {
  if (status !== 429 && status !== 503) return null;
  return retryAfterInstant(headers["retry-after"], { now, maxMs: RETRY_AFTER_MAX_MS });
}

async function send(
  api: HttpApi,
  { method, url, headers, body, socketPath }: HttpCall,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  // Loaded late: importing node:http loads Node's whole fetch, which no command that only shows something needs.
  const { request: start } = await (url.protocol === "https:" ? import("node:https") : import("node:http"));
  return new Promise((resolve, reject) => {
    const options = {
      method,
      headers: { ...headers },
      signal,
      agent: false,
      ...(api.ca !== undefined && { ca: api.ca }),
      // RFC 9110 §7.2: without an authority Host is there, and empty; Caddy insists on it.
      ...(socketPath !== undefined && { socketPath, setHost: false, headers: { host: "", ...headers } }),
    };
    const request = start(url, options, (response) => read(response).then(resolve, reject));
    request.on("error", reject);
    request.end(body);
  });
}

async function read(response: IncomingMessage): Promise<HttpAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    const piece = Buffer.from(chunk);
    bytes += piece.length;
    if (bytes > ANSWER_BYTES_MAX)
      throw Object.assign(new Error(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`), { code: "TOO_LONG" });
    chunks.push(piece);
  }
  const headers = Object.fromEntries(
    Object.entries({ ...response.headers, ...response.trailers }).map(([name, value]) => [name, String(value)]),
  );
  return { status: response.statusCode ?? 0, headers, text: Buffer.concat(chunks).toString("utf8") };
}
