import { Hono, type Context as Request } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import type { WebContext, WebEnv, WebRoutes } from "../context.ts";
import { HttpProblem } from "../problem.ts";
import { digestOf } from "./actor.ts";
import { cookieName } from "./guard.ts";
import { recordRefusal } from "./refusals.ts";
import { redeemCode, SESSION_MS, SIGN_IN_PATH } from "./session.ts";

/** The link of `renewd open` turns into a session of this browser; signing out ends it. */
export function signInRoutes(web: WebContext): WebRoutes {
  const { store, clock } = web.renewal;
  const record = (type: "access.granted" | "access.ended", by: string): Promise<void> =>
    store.events.append({
      at: clock.now(),
      type,
      certificate: null,
      renewalId: null,
      target: null,
      detail: { by },
    });
  return new Hono<WebEnv>()
    .get(SIGN_IN_PATH, async (request) => {
      // A program that only looks whether the link works must not use it up.
      if (request.req.method === "HEAD") return request.body(null, 200);
      // A browser that loads ahead of its user must not use it up either; it asks again when the link is opened.
      if (request.req.header("sec-purpose")?.includes("prefetch") === true) return request.body(null, 503);
      const code = request.req.query("code") ?? "";
      const signedIn = await redeemCode({ store, clock }, code);
      // Without a code nobody tried to get in: a browser that signed out comes here.
      if (signedIn === null && code !== "") await recordRefusal(web, "link");
      if (code === "")
        throw new HttpProblem(401, "you are signed out", {
          action: "To sign in: run `renewd open` on renewd's machine.",
        });
      if (signedIn === null)
        throw new HttpProblem(401, "this link was used already, or is older than five minutes", {
          action: "Make another one: run `renewd open` on renewd's machine.",
        });
      await record("access.granted", `${signedIn.actor} in a browser`);
      setCookie(request, cookieName(web), signedIn.cookie, { ...attributes(request, web), maxAge: SESSION_MS / 1_000 });
      return request.redirect("/", 303);
    })
    .post("/sign-out", async (request) => {
      const cookie = getCookie(request, cookieName(web));
      if (cookie !== undefined) {
        await store.webAccess.remove(digestOf(cookie));
        await record("access.ended", request.get("actor").name);
      }
      deleteCookie(request, cookieName(web), attributes(request, web));
      return request.redirect(SIGN_IN_PATH, 303);
    });
}

/** Lax: a link in a notification leads to a page; what changes something is checked by its origin. */
function attributes(request: Request, web: WebContext) {
  const isTls = new URL(request.req.url).protocol === "https:" || web.config().web.url?.startsWith("https:") === true;
  return { httpOnly: true, sameSite: "Lax", path: "/", secure: isTls } as const;
}
