import { Hono, type Context as Request } from "hono";
import { toRenewalError } from "../domain/errors.ts";
import { acknowledgeRoutes } from "./acknowledge.ts";
import { apiRoutes } from "./api/index.ts";
import { assetRoutes } from "./assets/index.ts";
import { checkHost, guard } from "./auth/guard.ts";
import { isForClients } from "./auth/httpreqClient.ts";
import { signInRoutes } from "./auth/signIn.ts";
import { limitBody } from "./bodyLimit.ts";
import { calendarFeedRoutes } from "./calendarFeed.ts";
import type { WebContext, WebEnv } from "./context.ts";
import { healthRoutes } from "./health.ts";
import { httpreqRoutes } from "./httpreq.ts";
import { metricsRoutes } from "./metrics/index.ts";
import { pageRoutes, problemPage } from "./pages/index.ts";
import { type Problem, problemFrom, problemOf, sendProblem } from "./problem.ts";
import { isReading } from "./readerGate.ts";

/** No inline script or style, nothing from elsewhere, in no other site's frame. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": POLICY,
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  // Other sites must not see paths, which name certificates. With `no-referrer` browsers would send forms with `Origin:
  // null`.
  "referrer-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
};

/** All that the web role serves. Who may see what is decided by `auth/guard.ts` before any part is asked. */
export function createApp(web: WebContext): Hono<WebEnv> {
  const app = new Hono<WebEnv>();
  app.use(async (request, next) => {
    await next();
    for (const [name, value] of Object.entries(HEADERS)) request.res.headers.set(name, value);
    // What a shared computer keeps, the next person reads.
    if (!request.res.headers.has("cache-control")) request.res.headers.set("cache-control", "no-store");
  });
  app.use(checkHost(web));
  app.use(guard(web));
  app.use(async (request, next) => {
    if (!isReading(request.req.method, request.req.path)) return next();
    const leave = await web.readers.enter(request.req.raw.signal);
    try {
      await next();
    } finally {
      leave();
    }
  });
  app.use(limitBody());
  app.route("/", healthRoutes(web));
  app.route("/", assetRoutes(web));
  app.route("/", signInRoutes(web));
  app.route("/", acknowledgeRoutes(web));
  app.route("/", calendarFeedRoutes(web));
  app.route("/", metricsRoutes(web));
  app.route("/", httpreqRoutes(web));
  app.route("/api/v1", apiRoutes(web));
  app.route("/", pageRoutes(web));
  app.notFound((request) => {
    const path = decodedPath(request.req.path).slice(0, 200);
    return answer(request, web, problemOf(404, `${path} is no page or resource of renewd`, { action: "See /api/v1." }));
  });
  app.onError((thrown, request) => {
    // Nobody is there to be answered.
    const isGone = request.req.raw.signal.aborted || (thrown instanceof Error && thrown.message === "aborted");
    const problem = isGone ? problemOf(400, "the connection ended before the request did", {}) : problemFrom(thrown);
    if (problem.status === 500)
      web.renewal.log.error({ err: toRenewalError(thrown), method: request.req.method }, "request failed");
    const scheme = isForClients(request.req.path, web) ? "Basic" : "Bearer";
    if (problem.status === 401) request.header("www-authenticate", `${scheme} realm="renewd"`);
    return answer(request, web, problem);
  });
  return app;
}

/** As a page where a browser asks for one. */
async function answer(request: Request<WebEnv>, web: WebContext, problem: Problem): Promise<Response> {
  const wantsPage = request.req.header("accept")?.includes("text/html") === true;
  if (!wantsPage || request.req.path.startsWith("/api/")) return sendProblem(request, problem);
  if (problem.retryAfterS !== undefined) request.header("retry-after", String(problem.retryAfterS));
  return request.html(await problemPage(web, problem), problem.status);
}

function decodedPath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
