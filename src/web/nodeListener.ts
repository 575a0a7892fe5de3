import type { RequestListener } from "node:http";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import type { WebEnv } from "./context.ts";

/** The app as what Node's servers call. A request that is no HTTP (a missing or malformed Host) is answered with 400. */
export function nodeListener(app: Hono<WebEnv>): RequestListener {
  return getRequestListener(app.fetch, { overrideGlobalObjects: false });
}
