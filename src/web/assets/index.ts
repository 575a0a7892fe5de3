import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, join, sep } from "node:path";
import { Hono, type Context as Request } from "hono";
import type { WebContext, WebEnv, WebRoutes } from "../context.ts";

const TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

/** Of packages: served by ourselves, so that nothing is fetched from elsewhere. `scripts/build.ts` copies them. */
const PACKAGED: Readonly<Record<string, string>> = {
  "htmx.js": "htmx.org/dist/htmx.min.js",
  "hx-sse.js": "htmx.org/dist/ext/hx-sse.min.js",
};
/** Beside this file. */
const OWN = ["renewd.css", "renewd.js", "renewd.svg"] as const;

export const ASSETS: readonly string[] = [...OWN, ...Object.keys(PACKAGED)];

/** Where a file is in the source tree. */
export function assetSource(name: string): string {
  const packaged = PACKAGED[name];
  return packaged === undefined
    ? join(import.meta.dirname, name)
    : join(createRequire(import.meta.url).resolve("htmx.org/package.json"), "..", packaged.slice("htmx.org/".length));
}

/** In the built package all of them are in `dist/assets`, wherever the bundler put this code. */
function assetFile(name: string): string {
  const parts = import.meta.dirname.split(sep);
  const dist = parts.lastIndexOf("dist");
  return dist < 0 ? assetSource(name) : join(parts.slice(0, dist + 1).join(sep), "assets", name);
}

/** `/assets/NAME?v=VERSION`: another release is another URL, so browsers keep them for long. */
export function assetUrl(name: (typeof ASSETS)[number], version: string): string {
  return `/assets/${name}?v=${encodeURIComponent(version)}`;
}

export function assetRoutes(_web: WebContext): WebRoutes {
  const read = new Map<string, Promise<Buffer>>();
  const answer = async (request: Request<WebEnv>, name: string): Promise<Response> => {
    const content = read.get(name) ?? readFile(assetFile(name));
    read.set(name, content);
    content.catch(() => read.delete(name));
    return request.body(new Uint8Array(await content), 200, {
      "content-type": TYPES[name.split(".").at(-1) ?? ""] ?? "application/octet-stream",
      "cache-control": "public, max-age=86400",
    });
  };
  return (
    new Hono<WebEnv>()
      .get("/assets/:name", async (request) => {
        const name = basename(request.req.param("name"));
        return ASSETS.includes(name) ? answer(request, name) : request.notFound();
      })
      // Browsers ask for it beside answers that are no pages, such as JSON or a calendar.
      .get("/favicon.ico", (request) => answer(request, "renewd.svg"))
  );
}
