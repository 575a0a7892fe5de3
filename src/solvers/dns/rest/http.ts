import { RenewalError } from "../../../domain/errors.ts";
import type { ErrorCode } from "../../../domain/errorTable.ts";
import type { Secret } from "../../../domain/secret.ts";
import { DAY_MS, retryAfterInstant } from "../../../domain/time.ts";
import { quote } from "./quote.ts";

const TIMEOUT_MS = 30_000;
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;
const RETRY_AFTER_MAX_MS = DAY_MS;

export interface HttpCall {
  /** The provider, for messages. */
  readonly what: string;
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Never shown, should the answer hold them. */
  readonly secrets: readonly Secret[];
}

export interface HttpReply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/**
 * One bounded request, never repeated and never redirected: a redirect could carry the credentials elsewhere. Throws
 * `dns.unreachable`; an answer of any status is returned.
 */
export async function callHttp(call: HttpCall, signal: AbortSignal): Promise<HttpReply> {
  signal.throwIfAborted();
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const shown = `${call.what}: ${call.method} ${call.url.pathname}`;
  try {
    const response = await fetch(call.url, {
      method: call.method,
      headers: { ...call.headers },
      redirect: "manual",
      signal: AbortSignal.any([signal, timeout]),
      ...(call.body !== undefined && { body: call.body }),
    });
    return { status: response.status, headers: response.headers, text: await bounded(response) };
  } catch (error) {
    signal.throwIfAborted();
    const why = timeout.aborted ? `no answer within ${TIMEOUT_MS / 1000} s` : quote(problemOf(error), call.secrets);
    // The cause of a parse error may hold the answer, and some answers repeat the request.
    throw new RenewalError("dns.unreachable", `${shown}: ${why}`);
  }
}

async function bounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** fetch only says that it failed; the reason is inside. */
function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return "no answer";
  const inner = error.cause instanceof AggregateError ? error.cause.errors[0] : error.cause;
  return inner instanceof Error ? problemOf(inner) : error.message || error.name;
}

/** What an answer's status means where the vendor documents nothing better (RFC 9110 §15). */
export function codeOfStatus(status: number): ErrorCode {
  if (status === 401 || status === 403) return "dns.credentials";
  if (status === 429) return "dns.rateLimited";
  return status >= 500 || status === 408 || (status >= 300 && status < 400) ? "dns.unreachable" : "dns.refused";
}

/** Of Retry-After (RFC 9110 §10.2.3), or of the reset time that several APIs send; null: it says nothing. */
export function retryAtOf({ status, headers }: Pick<HttpReply, "status" | "headers">, now: number): number | null {
  if (status !== 429 && status !== 503) return null;
  const header = headers.get("retry-after") ?? undefined;
  if (header !== undefined) return retryAfterInstant(header, { now, maxMs: RETRY_AFTER_MAX_MS });
  const reset = Number(headers.get("ratelimit-reset") ?? headers.get("x-ratelimit-reset") ?? Number.NaN);
  if (Number.isNaN(reset)) return null;
  // Seconds from now, or seconds since epoch.
  const at = reset < now / 2000 ? now + reset * 1000 : reset * 1000;
  return Math.min(Math.max(at, now), now + RETRY_AFTER_MAX_MS);
}
