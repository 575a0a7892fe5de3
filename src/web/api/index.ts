import { Hono } from "hono";
import type { WebContext, WebEnv, WebRoutes } from "../context.ts";

/** `/api/v1`, for programs. */
export function apiRoutes(_web: WebContext): WebRoutes {
  return new Hono<WebEnv>();
}
