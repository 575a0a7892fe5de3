import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";
import { isErrorCode } from "../../domain/errorTable.ts";
import { CLEAR_TEXT_REFUSED, isClearText } from "../../domain/loopback.ts";
import { sanitize } from "../../domain/text.ts";
import { requestedBy } from "../requestedBy.ts";

/** Where `--server` and `--token` lead. */
export interface Server {
  readonly server: string;
  /** The token, or `file:PATH` with it. */
  readonly token: string | undefined;
}

export interface Connection {
  /** `path` below `/api/v1`. */
  get<T>(path: string, schema: z.ZodType<T>, patience?: Patience): Promise<T>;
  post<T>(path: string, body: object, schema: z.ZodType<T>): Promise<T>;
}

export interface Patience {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Revoking waits for the CA. */
const TIMEOUT_MS = 90_000;
const ANSWER_CHARACTERS_MAX = 100_000_000;
/** How often and how long a renewd is waited for that has no time for readers. */
const BUSY_ATTEMPTS_MAX = 6;
const BUSY_PAUSE_MAX_S = 10;
const MESSAGE_CHARACTERS_MAX = 2_000;

const problem = z.looseObject({
  detail: z.string(),
  code: z.string(),
  problems: z.array(z.looseObject({ path: z.string() })).default([]),
});

/** Throws `request.invalid` for an address or a token that cannot be used. */
export function connect(at: Server): Connection {
  const base = baseOf(at.server);
  const token = tokenOf(at.token);
  const ask = async <T>(path: string, init: RequestInit, schema: z.ZodType<T>): Promise<T> => {
    const by = requestedBy();
    const headers = {
      authorization: `Bearer ${token}`,
      accept: "application/json",
      ...(by !== null && /^[\p{L}\p{N}._@ -]{1,100}$/u.test(by) && isLatin(by) && { "renewd-user": by }),
      ...init.headers,
    };
    const response = await answered(base, path, { ...init, headers });
    const text = await response.text().catch((cause: unknown) => {
      throw unreachable(base, cause);
    });
    const answer = parsed(text);
    if (!response.ok) throw refusal(base, response.status, answer);
    const read = schema.safeParse(answer);
    if (read.success) return read.data;
    throw new RenewalError(
      "web.refused",
      `${base.host}: its answer ${read.error.issues[0]?.message ?? "is not known"}`,
    );
  };
  return {
    get: (path, schema, patience) =>
      ask(
        path,
        patience === undefined
          ? {}
          : { signal: AbortSignal.any([patience.signal, AbortSignal.timeout(patience.timeoutMs)]) },
        schema,
      ),
    post: (path, body, schema) => {
      const headers = { "content-type": "application/json", "idempotency-key": randomUUID() };
      return ask(path, { method: "POST", body: JSON.stringify(body), headers }, schema);
    },
  };
}

async function answered(base: URL, path: string, init: RequestInit): Promise<Response> {
  const target = new URL(`${base.pathname.replace(/\/$/, "")}/api/v1${path}`, base);
  // The connection may break after the request was carried out: with its key it may be sent again.
  for (let attempt = 1; ; attempt += 1) {
    try {
      // A redirect could send the token anywhere.
      const response = await fetch(target, { signal: AbortSignal.timeout(TIMEOUT_MS), ...init, redirect: "error" });
      const pauseMs = busyPauseMs(response);
      if (pauseMs === null || attempt === BUSY_ATTEMPTS_MAX) return response;
      await response.body?.cancel();
      await delay(pauseMs, undefined, init.signal ? { signal: init.signal } : {});
    } catch (cause) {
      if (attempt >= 2 || init.method !== "POST") throw unreachable(base, cause);
    }
  }
}

/** Renewals go before readers there: it says when to come back. null: it does not. */
function busyPauseMs({ status, headers }: Response): number | null {
  const seconds = Number(headers.get("retry-after"));
  return status === 503 && seconds > 0 && seconds <= BUSY_PAUSE_MAX_S ? seconds * 1_000 : null;
}

function unreachable(base: URL, cause: unknown): RenewalError {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const tls = inner instanceof Error && "code" in inner && typeof inner.code === "string" ? inner.code : "";
  if (/CERT|ALTNAME|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/.test(tls))
    return new RenewalError("web.untrusted", `${base.host}: its certificate is not trusted here (${tls})`, { cause });
  const why = inner instanceof Error ? ("code" in inner ? String(inner.code) : inner.message) : String(inner);
  return new RenewalError("web.unavailable", `${base.host} does not answer: ${sanitize(why, 200)}`, { cause });
}

function refusal(base: URL, status: number, answer: unknown): RenewalError {
  const read = problem.safeParse(answer);
  if (!read.success) return new RenewalError("web.refused", `${base.host} answered ${status}, and is no renewd`);
  const { detail, code, problems } = read.data;
  // A member of the request is an option of the command.
  const isOption = problems.some(({ path }) => /^[a-z]+$/i.test(path) && detail.startsWith(`${path}: `));
  const message = sanitize(isOption ? `--${detail}` : detail, MESSAGE_CHARACTERS_MAX);
  if (status === 401 || status === 421) return new RenewalError("web.refused", `${base.host}: ${message}`);
  return new RenewalError(isErrorCode(code) ? code : "web.refused", message);
}

function parsed(text: string): unknown {
  if (text.length > ANSWER_CHARACTERS_MAX) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function baseOf(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new RenewalError("request.invalid", "--server: must be a URL such as https://renewd.example.org");
  if (isClearText(text)) throw new RenewalError("request.invalid", `--server: ${CLEAR_TEXT_REFUSED}`);
  return url;
}

function tokenOf(text: string | undefined): string {
  const token = text?.startsWith("file:") ? fileToken(text.slice("file:".length)) : text;
  if (token === undefined || !/^[\x21-\x7e]{1,500}$/.test(token))
    throw new RenewalError(
      "request.invalid",
      "--token: give the token of api.token there, file:PATH with it, or RENEWD_TOKEN in the environment",
    );
  return token;
}

function fileToken(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (cause) {
    const why = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
    throw new RenewalError("request.invalid", `--token: cannot read ${path} (${why})`, { cause });
  }
}

/** Headers hold Latin letters only. */
function isLatin(text: string): boolean {
  return /^[\x20-\xff]+$/.test(text);
}
