import { Hono, type Context as Request } from "hono";
import { html } from "hono/html";
import { toRenewalError } from "../../domain/errors.ts";
import type { WebContext, WebEnv, WebRoutes } from "../context.ts";
import type { Problem } from "../problem.ts";
import { readInput } from "./actions/input.ts";
import { type ActionName, isActionName } from "./actions/names.ts";
import type { ActionOutcome } from "./actions/perform.ts";
import { certificatesPage } from "./certificates.ts";
import { csvRoutes } from "./csv.ts";
import { type PageFacts, pageFacts } from "./facts.ts";
import { documentHead } from "./layout.ts";
import { liveStream } from "./live.ts";
import { once } from "./once.ts";
import { foreign, type Html, NOTHING } from "./parts/markup.ts";
import { removeView, saveView } from "./savedViews.ts";

type Page = (facts: PageFacts, request: Request<WebEnv>) => Html | Promise<Html>;

/** The pages, for people. Each works without JavaScript; with it, it loads itself again when something changes. */
export function pageRoutes(web: WebContext): WebRoutes {
  const routes = new Hono<WebEnv>();
  const page = (path: string, render: Page, isWhole = true): void => {
    routes.get(path, async (request) => request.html(await render(await pageFacts(web, request, isWhole), request)));
  };
  /** Of a large fleet these come before all of it is read. */
  const soon = (path: string, render: Page): void => page(path, render, false);
  soon("/", async (facts) => (await import("./now.ts")).nowPage(facts));
  soon("/certificates", certificatesPage);
  page("/certificates/:name", async (facts, request) =>
    (await import("./certificate.ts")).certificatePage(facts, request.req.param("name") ?? ""),
  );
  page("/renewals/:id", async (facts, request) =>
    (await import("./renewal.ts")).renewalPage(facts, request.req.param("id") ?? ""),
  );
  soon("/history", async (facts) => (await import("./history.ts")).historyPage(facts));
  page("/calendar", async (facts) => (await import("./calendar.ts")).calendarPage(facts));
  page("/endpoints", async (facts) => (await import("./endpoints.ts")).endpointsPage(facts));
  page("/endpoints/:certificate/:endpoint", async (facts, request) =>
    (await import("./endpoint.ts")).endpointPage(
      facts,
      request.req.param("certificate") ?? "",
      request.req.param("endpoint") ?? "",
    ),
  );
  soon("/inventory", async (facts) => (await import("./inventory.ts")).inventoryPage(facts));
  page("/inventory/:fingerprint", async (facts, request) =>
    (await import("./inventory.ts")).foundPage(facts, request.req.param("fingerprint") ?? ""),
  );
  soon("/watched/:key", async (facts, request) =>
    (await import("./watched.ts")).watchedPage(facts, request.req.param("key") ?? ""),
  );
  page("/targets/:name", async (facts, request) =>
    (await import("./target.ts")).targetPage(facts, request.req.param("name") ?? ""),
  );
  page("/issuers/:name", async (facts, request) =>
    (await import("./issuers.ts")).issuerPage(facts, request.req.param("name") ?? ""),
  );
  page("/replacements/:id", async (facts, request) =>
    (await import("./replacements.ts")).replacementPage(facts, request.req.param("id") ?? ""),
  );
  soon("/alerts/channels/:name", async (facts, request) =>
    (await import("./channels.ts")).channelPage(facts, request.req.param("name") ?? ""),
  );
  soon("/processes", async (facts) => (await import("./processes.ts")).processesPage(facts));
  page("/targets", async (facts) => (await import("./targets.ts")).targetsPage(facts));
  page("/issuers", async (facts) => (await import("./issuers.ts")).issuersPage(facts));
  page("/replacements", async (facts) => (await import("./replacements.ts")).replacementsPage(facts));
  soon("/alerts", async (facts) => (await import("./alerts.ts")).alertsPage(facts));
  page("/report", async (facts) => (await import("./report.ts")).reportPage(facts));
  routes.get("/renewals/:id/evidence.json", async (request) => {
    const { renewalEvidence } = await import("./renewal.ts");
    const id = request.req.param("id");
    const evidence = await renewalEvidence(await pageFacts(web, request), id);
    request.header("content-disposition", `attachment; filename="renewal-${id.replace(/[^0-9a-f-]/g, "")}.json"`);
    return request.json(evidence);
  });
  routes.get("/live", (request) => liveStream(web, request));
  routes.route("/", csvRoutes(web));
  routes.route("/", actionRoutes(web));
  routes.post("/views", async (request) => {
    const form = await formOf(request);
    const { localPath } = await import("./action.ts");
    saveView(request, { list: form.get("list") ?? "", name: form.get("name") ?? "", query: form.get("query") ?? "" });
    return request.redirect(localPath(form.get("back")), 303);
  });
  routes.post("/views/remove", async (request) => {
    const form = await formOf(request);
    const { localPath } = await import("./action.ts");
    removeView(request, { list: form.get("list") ?? "", name: form.get("name") ?? "" });
    return request.redirect(localPath(form.get("back")), 303);
  });
  return routes;
}

function actionRoutes(web: WebContext): WebRoutes {
  const named = async (request: Request<WebEnv>): Promise<ActionName> => {
    const name = request.req.param("action") ?? "";
    if (isActionName(name)) return name;
    throw (await import("./action.ts")).unknownAction(name);
  };
  return new Hono<WebEnv>()
    .get("/actions/:action", async (request) => {
      const { actionPage } = await import("./action.ts");
      return request.html(await actionPage(await pageFacts(web, request), await named(request)));
    })
    .post("/actions/:action", async (request) => {
      const name = await named(request);
      const { localPath, outcomePage } = await import("./action.ts");
      const { performAction } = await import("./actions/perform.ts");
      const form = await formOf(request);
      const by = request.get("actor").name;
      const { signal } = request.req.raw;
      let outcomes: readonly ActionOutcome[];
      try {
        const input = readInput(form, web.renewal.clock.now());
        // Sent twice, by a double click or a reload, it is done once and answered twice.
        const sent = { by, key: form.get("key") ?? "", request: `${name} ${form}` };
        outcomes = await once(web, sent, () => performAction(name, { web, input, by, signal }));
      } catch (thrown) {
        const { code, message } = toRenewalError(thrown);
        if (code !== "request.invalid" || /sent already/.test(message)) throw thrown;
        const { actionPage } = await import("./action.ts");
        // Nothing is lost: the same form with what was typed, and what is wrong.
        const again = await actionPage(await pageFacts(web, request), name, { parameters: form, mistake: message });
        return request.html(again, 422);
      }
      const isDone = outcomes.some(({ done }) => done);
      const answer = outcomePage(await pageFacts(web, request), name, outcomes, localPath(form.get("back")));
      return request.html(await answer, isDone ? 200 : 409);
    });
}

async function formOf(request: Request<WebEnv>): Promise<URLSearchParams> {
  return new URLSearchParams(await request.req.text());
}

/** What a person sees instead of a page: a problem, and what to do. Also for whoever is not signed in. */
export function problemPage(web: WebContext, { title, detail, action, code, retryAfterS }: Problem): Html {
  const again =
    retryAfterS === undefined ? NOTHING : html`<meta http-equiv="refresh" content="${String(retryAfterS)}" />`;
  return html`${documentHead(web.version, title, again)}
      <body>
        <header><a class="brand" href="/">renewd</a></header>
        <main id="main">
          <h1>${title}</h1>
          <p class="card warn-card">${foreign(detail)} <code>${foreign(code)}</code></p>
          <p><b>What to do:</b> ${foreign(action)}</p>
          <p><a class="button" href="/">Now</a></p>
        </main>
      </body>
    </html>`;
}
