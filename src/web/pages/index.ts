import { Hono } from "hono";
import { html } from "hono/html";
import { assetUrl } from "../assets/index.ts";
import type { WebContext, WebEnv, WebRoutes } from "../context.ts";
import type { Problem } from "../problem.ts";

/** The pages, for people. */
export function pageRoutes(web: WebContext): WebRoutes {
  return new Hono<WebEnv>().get("/", (request) =>
    request.html(page(web, "renewd", html`<h1>renewd</h1><p>${web.estate().certificates.length} certificates</p>`)),
  );
}

/** What a person sees instead of a page: a problem, and what to do. Also for whoever is not signed in. */
export function problemPage(web: WebContext, problem: Problem) {
  return page(
    web,
    problem.title,
    html`<h1>${problem.title}</h1>
      <p>${problem.detail}</p>
      <p>${problem.action}</p>`,
  );
}

function page(web: WebContext, title: string, body: ReturnType<typeof html>) {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>${title}</title>
        <link rel="stylesheet" href="${assetUrl("renewd.css", web.version)}" />
      </head>
      <body>
        <main>${body}</main>
      </body>
    </html>`;
}
