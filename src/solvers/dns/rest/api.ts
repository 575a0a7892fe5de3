import type { z } from "zod";
import { RenewalError } from "../../../domain/errors.ts";
import type { ErrorCode } from "../../../domain/errorTable.ts";
import type { Secret } from "../../../domain/secret.ts";
import { callHttp, codeOfStatus, type HttpReply, retryAtOf } from "./http.ts";
import { quote } from "./quote.ts";
import type { RestRequest } from "./request.ts";

/** What proves to the provider who asks. */
export interface RestAuth {
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  /** For credentials inside the body. */
  readonly wrap?: (body: unknown) => unknown;
  /** For APIs that want each request signed: more headers, from what is about to be sent. */
  readonly sign?: (request: ToSign) => Readonly<Record<string, string>>;
}

export interface ToSign {
  readonly method: string;
  readonly url: URL;
  /** Empty: none. */
  readonly body: string;
  /** ms since epoch. */
  readonly now: number;
}

/** The vendor's documented error in an answer. `text` null: none. */
export interface Failure {
  readonly text: string | null;
  /** Left out: what the HTTP status means. */
  readonly code?: ErrorCode;
}

/** One page of a list. `next`: true for the next number, or the vendor's own mark of the next page. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly next?: boolean | string | null;
}

export interface PageAt {
  /** 1, 2, 3 … */
  readonly number: number;
  /** The mark that the page before gave; null: the first. */
  readonly mark: string | null;
}

export interface RestApi {
  /** The body of a successful answer. */
  call<Body>(request: RestRequest, schema: z.ZodType<Body>, signal: AbortSignal): Promise<Body>;
  /** As `call`; null: there is no such thing (404). */
  find<Body>(request: RestRequest, schema: z.ZodType<Body>, signal: AbortSignal): Promise<Body | null>;
  /** For requests whose answer says no more than that it is done. `goneIsFine`: 404 is success, too. */
  send(request: RestRequest, signal: AbortSignal, goneIsFine?: boolean): Promise<void>;
  /** Every item of every page. */
  pages<Item>(
    request: (page: PageAt) => RestRequest,
    schema: z.ZodType<Page<Item>>,
    signal: AbortSignal,
  ): Promise<readonly Item[]>;
}

export interface RestSettings {
  /** The provider, for messages. */
  readonly what: string;
  readonly base: string;
  readonly secrets: readonly Secret[];
  readonly auth: RestAuth;
  readonly answers: "json" | "text";
  /** Null: the answer is no failure, as far as its body says. */
  readonly failure: (body: unknown, status: number) => Failure | null;
  readonly turn: (signal: AbortSignal) => Promise<void>;
  readonly now: () => number;
}

/** A list that is longer is not read on: something is wrong with it, or with us. */
const PAGES_MAX = 200;

export function createRestApi(settings: RestSettings): RestApi {
  const asked = async (request: RestRequest, signal: AbortSignal): Promise<{ status: number; body: unknown }> => {
    const reply = await exchange(settings, request, signal);
    const body = bodyOf(settings, reply);
    const failure = settings.failure(body, reply.status);
    if (reply.status === 404 && failure?.code === undefined) return { status: 404, body };
    if (failure === null && reply.status >= 200 && reply.status < 300) return { status: reply.status, body };
    throw failed(settings, request, reply, failure);
  };
  const notFound = (request: RestRequest, body: unknown): RenewalError => {
    const said = settings.failure(body, 404)?.text ?? "not found";
    return new RenewalError("dns.refused", `${shown(settings, request)}: ${quote(said, settings.secrets)} (404)`);
  };
  const api: RestApi = {
    async find(request, schema, signal) {
      const { status, body } = await asked(request, signal);
      return status === 404 ? null : parsed(settings, request, schema, body);
    },
    async call(request, schema, signal) {
      const { status, body } = await asked(request, signal);
      if (status === 404) throw notFound(request, body);
      return parsed(settings, request, schema, body);
    },
    async send(request, signal, goneIsFine = false) {
      const { status, body } = await asked(request, signal);
      if (status === 404 && !goneIsFine) throw notFound(request, body);
    },
    async pages<Item>(request: (page: PageAt) => RestRequest, schema: z.ZodType<Page<Item>>, signal: AbortSignal) {
      const all: Item[] = [];
      let mark: string | null = null;
      for (let number = 1; number <= PAGES_MAX; number++) {
        const { items, next = null }: Page<Item> = await api.call(request({ number, mark }), schema, signal);
        all.push(...items);
        if (next === null || next === false || next === "") return all;
        mark = typeof next === "string" ? next : null;
      }
      throw new RenewalError("dns.refused", `${settings.what}: the list has more than ${PAGES_MAX} pages`);
    },
  };
  return api;
}

/** The bare exchange, for logging in: any status is returned. */
export async function exchange(
  settings: Pick<RestSettings, "what" | "base" | "secrets" | "auth" | "turn" | "now">,
  request: RestRequest,
  signal: AbortSignal,
): Promise<HttpReply> {
  const { auth } = settings;
  const base = request.path.startsWith("/") ? settings.base.replace(/\/+$/, "") : settings.base;
  const url = new URL(base + request.path);
  for (const [name, value] of Object.entries(auth.query ?? {})) url.searchParams.set(name, value);
  const body = bodyFor(request, auth);
  const type = request.form === undefined ? "application/json" : "application/x-www-form-urlencoded";
  const headers = {
    accept: "application/json, text/*;q=0.5",
    "user-agent": "renewd",
    ...(body !== undefined && { "content-type": type }),
    ...auth.headers,
  };
  await settings.turn(signal);
  const { method } = request;
  const signature = auth.sign?.({ method, url, body: body ?? "", now: settings.now() });
  const call = { what: settings.what, method, url, headers: { ...headers, ...signature }, secrets: settings.secrets };
  return callHttp({ ...call, ...(body !== undefined && { body }) }, signal);
}

function bodyFor({ method, body, form }: RestRequest, { wrap }: RestAuth): string | undefined {
  if (form !== undefined) return new URLSearchParams({ ...form }).toString();
  if (wrap !== undefined && method !== "GET") return JSON.stringify(wrap(body ?? {}));
  return body === undefined ? undefined : JSON.stringify(body);
}

/** What the answer says: text, or JSON; null where it is none. */
export function bodyOf({ answers }: Pick<RestSettings, "answers">, { text }: Pick<HttpReply, "text">): unknown {
  if (answers === "text") return text;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function parsed<Body>(settings: RestSettings, request: RestRequest, schema: z.ZodType<Body>, body: unknown): Body {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  // The body itself is not shown: it may repeat the request.
  const where = result.error.issues[0]?.path.join(".") || "its body";
  throw new RenewalError("dns.unreachable", `${shown(settings, request)}: an unexpected answer (at ${where})`);
}

function failed(settings: RestSettings, request: RestRequest, reply: HttpReply, failure: Failure | null): RenewalError {
  const said = failure?.text ? `: ${quote(failure.text, settings.secrets)}` : "";
  const retryAt = retryAtOf(reply, settings.now());
  return new RenewalError(
    failure?.code ?? codeOfStatus(reply.status),
    `${shown(settings, request)} answered ${reply.status}${said}`,
    retryAt === null ? {} : { retryAt },
  );
}

/** The vendor's own words first: an API that is down must not be taken for wrong credentials. */
export function refusedLogin(settings: RestSettings, request: RestRequest, reply: HttpReply): RenewalError {
  const failure = settings.failure(bodyOf(settings, reply), reply.status);
  const isSuccess = reply.status >= 200 && reply.status < 300;
  const refused: Failure = { text: "the login was refused", code: "dns.credentials" };
  return failed(settings, request, reply, failure ?? (isSuccess ? refused : null));
}

function shown({ what }: Pick<RestSettings, "what">, { method, path: where }: RestRequest): string {
  return `${what}: ${method} ${where.split("?", 1)[0] ?? ""}`;
}
