import { html } from "hono/html";
import { inertLines } from "../../domain/text.ts";
import { adoptionSnippet } from "../../reports/adopt.ts";
import { loadedFleet } from "../../reports/configured.ts";
import { type EndpointRow, endpointList } from "../../reports/lists/endpointList.ts";
import { pageOf, readQuery, writeQuery } from "../../reports/lists/list.ts";
import { unmanagedEntries } from "../../reports/unmanaged.ts";
import { actionHref } from "./actionLinks.ts";
import type { PageFacts } from "./facts.ts";
import { heading, layout } from "./layout.ts";
import { heading as columnHeading, facetPanel, type ListView, pager, toolbar } from "./parts/list.ts";
import { certificateHref, foreign, formatNumber, type Html, NOTHING, pathOf } from "./parts/markup.ts";
import { ENDPOINT_LOOK, pill } from "./parts/state.ts";
import { relative } from "./parts/time.ts";
import { savedViews } from "./savedViews.ts";
import { watchedPanel } from "./watched.ts";

const WORDS = {
  state: Object.fromEntries(Object.entries(ENDPOINT_LOOK).map(([state, { word }]) => [state, word])),
  protocol: { tls: "TLS from the first byte" },
};

/** What clients meet, by handshakes alone. */
export async function endpointsPage(facts: PageFacts): Promise<Html> {
  const { snapshot, parameters } = facts;
  const query = readQuery(endpointList, parameters);
  const page = pageOf(endpointList, snapshot.endpoints, query);
  const view: ListView<EndpointRow> = {
    ...{ list: endpointList, query, page, path: "/endpoints", words: WORDS },
    facets: ["state", "error", "criticality", "owner", "team", "label", "protocol", "target"],
  };
  return layout(facts, {
    title: "Endpoints",
    body: html`${heading("Endpoints")} ${savedViews(facts, "endpoints", writeQuery(endpointList, query))}
      ${toolbar(view, "Host, server name or certificate")}
      <div class="with-facets">${facetPanel(view)}<div>${pager(view, "endpoints")}${table(view, facts)}
        ${await watchedPanel(facts)} ${await adoptable(facts)}
      </div></div>`,
  });
}

/** What left the configuration while clients met it, with what brings it back. */
async function adoptable({ web, snapshot, now }: PageFacts): Promise<Html> {
  if (!snapshot.status.notices.some(({ kind }) => kind === "unmanaged")) return NOTHING;
  const { store } = web.renewal;
  const issuers = [...web.config().issuers.keys()];
  const items: Html[] = [];
  for (const { certificate, servedAt, expiresAt } of await unmanagedEntries(
    store,
    loadedFleet(web.estate().certificates),
    now,
  )) {
    const version = await store.versions.latest(certificate).catch(() => null);
    if (version === null) continue;
    items.push(html`<li><b>${foreign(certificate)}</b> at ${foreign(servedAt.join(", "))}, expires
      ${relative(Date.parse(expiresAt), now)}: nothing renews it
      <details><summary>Adopt</summary><p>Put this into the configuration and reload renewd:</p>
        <pre><code>${inertLines(adoptionSnippet(version, servedAt, issuers))}</code></pre></details></li>`);
  }
  return html`<section class="panel"><h2>Served, but managed by nobody</h2><ul class="rows">${items}</ul></section>`;
}

function table(view: ListView<EndpointRow>, { now, here }: PageFacts): Html {
  const { page } = view;
  if (page.rows.length === 0)
    return html`<p class="empty">${
      page.all === 0
        ? "No certificate has an endpoint: nothing proves that clients get it."
        : html`None of ${formatNumber(page.all)} endpoints fits. <a href="/endpoints">Show all</a>`
    }</p>`;
  return html`<table class="list">
    <thead><tr>
      ${columnHeading(view, "worst", "State")}
      ${columnHeading(view, "endpoint", "Endpoint")}${columnHeading(view, "certificate", "Certificate")}
      <th scope="col">Generation</th>
        ${columnHeading(view, "checked", "Last handshakes", "down")}<th scope="col">Next</th>
          <th scope="col"><span class="visually-hidden">Action</span></th></tr></thead>
    <tbody>${page.rows.map((row) => line(row, now, here))}</tbody>
  </table>`;
}

function line(
  { state, endpoint, certificate, generation, checkedAt, nextDialAt, errorCode, errorMessage, definition }: EndpointRow,
  now: number,
  here: string,
): Html {
  const { sni, host, port, starttls, target } = definition;
  return html`<tr>
    <td data-label="State">${pill(ENDPOINT_LOOK[state])}</td>
    <th scope="row" data-label="Endpoint"><a href="${pathOf("endpoints", certificate, endpoint)}">${foreign(sni)}</a>
      <small>${foreign(host === sni ? `port ${port}` : `${host}:${port}`)}${
        starttls === undefined ? "" : `, STARTTLS ${starttls}`
      }${target === null ? "" : foreign(`, from ${target}`)}</small>
      ${
        errorMessage === null
          ? NOTHING
          : html`<small class="bad-text">${foreign(errorMessage)} <code>${errorCode}</code></small>`
      }</th>
    <td data-label="Certificate"><a href="${certificateHref(certificate)}">${foreign(certificate)}</a></td>
    <td data-label="Generation">${generation}</td>
    <td data-label="Last handshakes">${relative(checkedAt, now, "never")}</td>
    <td data-label="Next">${
      nextDialAt === null ? html`<span class="quiet">with its renewal</span>` : relative(Math.max(now, nextDialAt), now)
    }</td>
    <td><a href="${actionHref("dial", { certificate, back: here })}"
      aria-label="Dial ${foreign(endpoint)} now">dial now</a></td>
  </tr>`;
}
