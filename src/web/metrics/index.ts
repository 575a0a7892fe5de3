import { Hono } from "hono";
import type { WebContext, WebEnv, WebRoutes } from "../context.ts";

/** `/metrics`, for Prometheus. */
export function metricsRoutes(web: WebContext): WebRoutes {
  return new Hono<WebEnv>().get("/metrics", (request) =>
    request.text(`renewd_certificates ${web.estate().certificates.length}\n`),
  );
}
