import type { Context as Request } from "hono";
import { getCookie } from "hono/cookie";
import type { Snapshot } from "../../reports/snapshot.ts";
import type { Actor } from "../auth/actor.ts";
import type { WebContext, WebEnv } from "../context.ts";
import { fleetOf } from "../fleet.ts";
import { VIEWS_COOKIE } from "./viewsCookie.ts";

/** What every page is made of. */
export interface PageFacts {
  readonly web: WebContext;
  readonly snapshot: Snapshot;
  readonly actor: Actor;
  /** ms since epoch. */
  readonly now: number;
  readonly path: string;
  readonly parameters: URLSearchParams;
  /** Path and query, for links that lead back here. */
  readonly here: string;
  /** What this browser saved of its views. */
  readonly cookies: string | undefined;
}

/** `isWhole`: what is shown needs the rows of every certificate. */
export async function pageFacts(web: WebContext, request: Request<WebEnv>, isWhole = true): Promise<PageFacts> {
  const fleet = fleetOf(web);
  const snapshot = await (isWhole ? fleet.read() : fleet.readSoon());
  const { pathname, search, searchParams } = new URL(request.req.url);
  return {
    web,
    snapshot,
    actor: request.get("actor"),
    now: web.renewal.clock.now(),
    path: pathname,
    parameters: searchParams,
    here: `${pathname}${search}`,
    cookies: getCookie(request, VIEWS_COOKIE),
  };
}
