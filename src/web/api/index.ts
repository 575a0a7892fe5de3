import { Hono, type Context as Request } from "hono";
import type { WebContext, WebEnv, WebRoutes } from "../context.ts";
import { fleetOf } from "../fleet.ts";
import { HttpProblem, problemFrom, sendProblem } from "../problem.ts";
import { textStream } from "../textStream.ts";
import { carryOut } from "./carryOut.ts";
import { apiDocument } from "./document.ts";
import type { Repeatable } from "./idempotency.ts";
import { jsonPieces } from "./jsonPieces.ts";
import type { Operation, RawCall } from "./operation.ts";
import { OPERATIONS } from "./operations/index.ts";
import { referencePage } from "./reference.ts";
import { entityTag, isKnown } from "./tags.ts";

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json *(?:;|$)/i;

/** `/api/v1`, for programs. What an operation takes and answers is in its schemas; the document is made of them. */
export function apiRoutes(web: WebContext): WebRoutes {
  const routes = new Hono<WebEnv>();
  for (const each of OPERATIONS) {
    const path = each.path.replace(/\{(\w+)\}/g, ":$1");
    routes.on(each.method.toUpperCase(), path, (request) => answer(web, each, request));
  }
  routes.get("/openapi.json", async (request) =>
    tagged(request, JSON.stringify(apiDocument(web.version)), await entityTag({ version: web.version }), 200),
  );
  routes.get("/reference", async (request) => request.html(await referencePage(apiDocument(web.version), web.version)));
  routes.all("*", (request) => {
    const path = request.req.path.slice("/api/v1".length);
    const others = OPERATIONS.filter((each) => matches(each.path, path)).map(({ method }) => method.toUpperCase());
    if (others.length === 0) throw new HttpProblem(404, "the API has no such resource", { action: ADVICE });
    request.header("allow", others.includes("GET") ? [...others, "HEAD"].join(", ") : others.join(", "));
    throw new HttpProblem(405, `${request.req.method} is not possible here: ${others.join(", ")} is`, {
      action: ADVICE,
    });
  });
  return routes;
}

const ADVICE = "See /api/v1/reference for what there is.";

function matches(template: string, path: string): boolean {
  return new RegExp(`^${template.replace(/\{\w+\}/g, "[^/]+")}$`).test(path);
}

async function answer(web: WebContext, operation: Operation, request: Request<WebEnv>): Promise<Response> {
  try {
    return operation.method === "get" ? await show(web, operation, request) : await act(web, operation, request);
  } catch (thrown) {
    // What people type as an option is a member here: the request is wrong, not the state.
    const member = thrown instanceof Error ? /^--([a-z]+): /i.exec(thrown.message)?.[1] : undefined;
    const problem = problemFrom(thrown, operation.method === "get" || member !== undefined ? 400 : 409);
    // A bug is logged where all of them are.
    if (problem.status === 500) throw thrown;
    return sendProblem(request, {
      ...problem,
      detail: problem.detail.replace(/^--([a-z]+):/i, "$1:"),
      ...(member !== undefined && { problems: [{ path: member, message: problem.detail.slice(member.length + 4) }] }),
    });
  }
}

async function show(web: WebContext, operation: Operation, request: Request<WebEnv>): Promise<Response> {
  const found = await operation.handle(rawCall(web, request, {}));
  if (found instanceof ReadableStream) {
    if (request.req.method !== "HEAD") return request.body(found, 200, STREAM_HEADERS);
    // Nobody reads what HEAD leaves out, and nobody would end it.
    await found.cancel();
    return request.body(null, 200, STREAM_HEADERS);
  }
  const tag = await entityTag(found);
  const isLong = Object.values(found).some((member) => Array.isArray(member) && member.length > WRITTEN_AT_ONCE_MAX);
  return tagged(request, isLong ? () => textStream(jsonPieces(found)) : JSON.stringify(found), tag, operation.status);
}

/** Items of a document that is written in one go: a page of a list. */
const WRITTEN_AT_ONCE_MAX = 200;

const STREAM_HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // Proxies that collect answers would hold events back.
  "x-accel-buffering": "no",
};

async function tagged(
  request: Request,
  body: string | (() => Promise<ReadableStream<Uint8Array<ArrayBuffer>>>),
  tag: string,
  status: 200 | 202,
): Promise<Response> {
  const headers = { etag: tag, "cache-control": "private, no-cache" };
  if (isKnown(request.req.header("if-none-match") ?? null, tag)) return request.body(null, 304, headers);
  return request.body(typeof body === "string" ? body : await body(), status, {
    ...headers,
    "content-type": "application/json",
  });
}

async function act(web: WebContext, operation: Operation, request: Request<WebEnv>): Promise<Response> {
  const text = await request.req.text();
  const raw = rawCall(web, request, bodyOf(request, text));
  const condition = request.req.header("if-match") ?? null;
  if (condition !== null && operation.changes === null)
    throw new HttpProblem(400, "If-Match: this operation changes nothing that has an ETag");
  const done = await carryOut(web, operation, { raw, condition, request: repeatableOf(request, text) });
  // The next request shows what was decided.
  if (!done.replayed) await seeEffect(web, raw);
  return request.body(done.body, done.status === 202 ? 202 : 200, {
    "content-type": "application/json",
    ...(done.replayed && { "idempotency-replayed": "true" }),
  });
}

/** null: no key was sent. */
function repeatableOf(request: Request<WebEnv>, body: string): Repeatable | null {
  const key = request.req.header("idempotency-key");
  if (key === undefined) return null;
  const { method, path } = request.req;
  return { key, actor: request.get("actor").name, method, path, body };
}

/** That the reading fails is no failure of the decision. */
async function seeEffect(web: WebContext, { params: { certificate } }: RawCall): Promise<void> {
  await fleetOf(web)
    .reread(certificate === undefined ? [] : [certificate])
    .catch(() => {});
}

/** An empty body is an empty object. */
function bodyOf(request: Request, text: string): unknown {
  if (text.trim() === "") return {};
  if (!JSON_TYPE.test(request.req.header("content-type") ?? ""))
    throw new HttpProblem(415, "Content-Type: must be application/json");
  try {
    return JSON.parse(text);
  } catch {
    throw new HttpProblem(400, "the body is no JSON");
  }
}

function rawCall(web: WebContext, request: Request<WebEnv>, body: unknown): RawCall {
  return {
    web,
    params: request.req.param(),
    search: new URL(request.req.url).searchParams,
    body,
    decision: { by: request.get("actor").name, reason: reasonOf(body) },
    headers: request.req.raw.headers,
    signal: request.req.raw.signal,
  };
}

/** Checked by the operation's schema and by the action. */
function reasonOf(body: unknown): string | null {
  if (typeof body !== "object" || body === null || !("reason" in body)) return null;
  return typeof body.reason === "string" ? body.reason : null;
}
