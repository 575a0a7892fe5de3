import { Hono } from "hono";
import { html } from "hono/html";
import { acknowledgeByLink, alertOfLink } from "../actions/alerts.ts";
import { headline } from "../renewal/rules/alerts/messages.ts";
import { ACKNOWLEDGE_PATH } from "./auth/session.ts";
import type { WebContext, WebEnv, WebRoutes } from "./context.ts";
import { documentHead } from "./pages/layout.ts";
import { foreign, type Html, NOTHING } from "./pages/parts/markup.ts";

/**
 * The link in a message. Mail scanners and chats open links by themselves: a GET shows a form and changes nothing; only
 * its POST acknowledges, once. Who has the link may do this one thing and nothing else.
 */
export function acknowledgeRoutes(web: WebContext): WebRoutes {
  return new Hono<WebEnv>()
    .get(ACKNOWLEDGE_PATH, async (request) => {
      const token = request.req.query("token") ?? "";
      const { claim, alert } = await alertOfLink(web, token);
      const { acknowledgement } = alert;
      if (alert.resolvedAt !== null) return request.html(page(web, "Over", html`<p>${foreign(headline(alert))}</p>`));
      if (acknowledgement !== null || claim.acknowledgements !== alert.acknowledgements)
        return request.html(
          page(
            web,
            "Acknowledged already",
            html`<p>By ${foreign(acknowledgement?.by ?? "somebody")}: ${foreign(acknowledgement?.reason ?? "withdrawn since")}</p>`,
          ),
        );
      return request.html(
        page(
          web,
          "Acknowledge an alert",
          html`<p class="card warn-card">${foreign(headline(alert))}</p>
          <p>You take it on: it goes to nobody else until it gets worse.</p>
          <form class="action" method="post" action="${ACKNOWLEDGE_PATH}">
            <input type="hidden" name="token" value="${token}" />
            <p><label for="name">Your name</label> <input id="name" name="name" maxlength="60" autocomplete="name" required /></p>
            <p><label for="reason">What you do about it</label> <input id="reason" name="reason" maxlength="200" autocomplete="off" /></p>
            <p class="buttons"><button class="button">Acknowledge</button></p>
          </form>`,
        ),
      );
    })
    .post(ACKNOWLEDGE_PATH, async (request) => {
      const form = new URLSearchParams(await request.req.text());
      const of = (name: string): string => form.get(name) ?? "";
      const { by, what } = await acknowledgeByLink(web, {
        ...{ token: of("token"), name: of("name"), reason: of("reason") },
      });
      return request.html(page(web, "Acknowledged", html`<p>${foreign(what)}</p><p>By ${foreign(by ?? "")}.</p>`));
    });
}

function page(web: WebContext, title: string, body: Html): Html {
  return html`${documentHead(web.version, title, NOTHING)}
      <body>
        <header><span class="brand">renewd</span></header>
        <main id="main"><h1>${title}</h1>${body}</main>
      </body>
    </html>`;
}
