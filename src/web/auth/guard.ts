import { isIP } from "node:net";
import { hostname } from "node:os";
import type { MiddlewareHandler, Context as Request } from "hono";
import { getCookie } from "hono/cookie";
import { isLoopback } from "../../domain/loopback.ts";
import type { WebContext, WebEnv } from "../context.ts";
import { HttpProblem } from "../problem.ts";
import { identify } from "./actor.ts";
import { isForClients } from "./httpreqClient.ts";
import { recordRefusal } from "./refusals.ts";
import { ACKNOWLEDGE_PATH, CALENDAR_FEED_PATH, SIGN_IN_PATH } from "./session.ts";

/** They go without a token: probes have none, and the way in cannot need what it gives. */
const OPEN_PATHS = new Set(["/healthz", "/readyz", SIGN_IN_PATH, ACKNOWLEDGE_PATH, CALENDAR_FEED_PATH, "/favicon.ico"]);
const OPEN_PREFIX = "/assets/";
const SAFE_METHODS = new Set(["GET", "HEAD"]);

/** Cookies know no ports: two installations on one host must not take each other's. */
export function cookieName({ installation }: Pick<WebContext, "installation">): string {
  return `renewd_${installation.slice(0, 8)}`;
}

/**
 * Refuses foreign host names first: a page whose name was pointed at 127.0.0.1 (DNS rebinding) is not of renewd,
 * whatever the browser believes. Nobody can point an IP address elsewhere.
 */
export function checkHost(web: WebContext): MiddlewareHandler<WebEnv> {
  const own = hostname().toLowerCase();
  return async (request, next) => {
    const host = new URL(request.req.url).hostname;
    const bare = host.replace(/^\[|\]$/g, "");
    const { url, host: configured } = web.config().web;
    const names = [own, configured.toLowerCase(), url === null ? own : new URL(url).hostname];
    if (!isLoopback(host) && isIP(bare) === 0 && !names.includes(host))
      throw new HttpProblem(
        421,
        `renewd does not answer for the host name ${host.slice(0, 100)}: set \`web.url\` to the address people use`,
      );
    await next();
  };
}

/** Lets in who is known, with the permission that the method needs. */
export function guard(web: WebContext): MiddlewareHandler<WebEnv> {
  const access = { store: web.renewal.store.webAccess, token: web.token };
  return async (request, next) => {
    if (isOpen(request.req.path, web)) return next();
    const bearer = bearerOf(request);
    const cookie = bearer === null ? (getCookie(request, cookieName(web)) ?? null) : null;
    const onBehalfOf = request.req.header("renewd-user") ?? null;
    const actor = await identify({ bearer, cookie, onBehalfOf }, access, web.renewal.clock.now());
    if (actor === null && bearer !== null) await recordRefusal(web, "token");
    if (actor === null) throw new HttpProblem(401, whyUnknown(bearer, cookie), { action: ADVICE });
    const permission = SAFE_METHODS.has(request.req.method) ? "read" : "act";
    if (!actor.permissions.has(permission))
      throw new HttpProblem(403, `${actor.name} may not do this: it takes the permission \`${permission}\``);
    if (permission === "act") checkOrigin(request, web, actor.by === "session");
    request.set("actor", actor);
    return next();
  };
}

const ADVICE =
  "In a browser: run `renewd open` on renewd's machine. A program sends `Authorization: Bearer TOKEN`, from api.token in the data directory.";

function whyUnknown(bearer: string | null, cookie: string | null): string {
  if (bearer !== null) return "the token is not valid";
  return cookie === null ? "a token, or a browser that was signed in, is needed" : "this browser's session has ended";
}

function isOpen(path: string, web: WebContext): boolean {
  if (path === "/metrics") return web.config().web.metrics.withoutToken;
  // Their clients have credentials of their own.
  if (isForClients(path, web)) return true;
  return OPEN_PATHS.has(path) || path.startsWith(OPEN_PREFIX);
}

function bearerOf(request: Request): string | null {
  const header = request.req.header("authorization");
  if (header === undefined) return null;
  // Another scheme is no cookie's business: who sends it means to be known by it.
  return /^Bearer +(\S+)$/i.exec(header)?.[1] ?? "";
}

/** Another site's page can send a signed-in browser here, but cannot hide that it did. */
function checkOrigin(request: Request, web: WebContext, mustSayFrom: boolean): void {
  const origin = request.req.header("origin");
  const site = request.req.header("sec-fetch-site");
  const { url } = web.config().web;
  const own = [new URL(request.req.url).host, ...(url === null ? [] : [new URL(url).host])];
  const isOwn =
    origin === undefined ? site === "same-origin" || !mustSayFrom : own.includes(URL.parse(origin)?.host ?? "");
  if (!isOwn || site === "cross-site") throw new HttpProblem(403, "the request comes from another site's page");
}
