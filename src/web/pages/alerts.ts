import { html } from "hono/html";
import { type AlertRow, alertList } from "../../reports/lists/alertList.ts";
import { pageOf, readQuery, writeQuery } from "../../reports/lists/list.ts";
import { actionHref } from "./actionLinks.ts";
import { causesPanel, rulesPanel } from "./alertCauses.ts";
import { channels } from "./channels.ts";
import { exercisesPanel } from "./exercises.ts";
import type { PageFacts } from "./facts.ts";
import { heading, layout } from "./layout.ts";
import { FINDING_WORDS, findingWord, subjectText } from "./parts/findings.ts";
import { heading as columnHeading, facetPanel, type ListView, pager, toolbar } from "./parts/list.ts";
import { advice, certificateHref, foreign, formatNumber, type Html, NOTHING } from "./parts/markup.ts";
import { isAnswered, responsible } from "./parts/responsibility.ts";
import { tag } from "./parts/state.ts";
import { clockTime, instant, relative } from "./parts/time.ts";
import { peersPanel } from "./peers.ts";
import { savedViews } from "./savedViews.ts";

const WORDS = { about: { certificate: "a certificate", renewd: "renewd itself" }, kind: FINDING_WORDS };

/** What is wrong now, who knows of it, and whether people can be reached at all. */
export async function alertsPage(facts: PageFacts): Promise<Html> {
  const { snapshot, parameters } = facts;
  const query = readQuery(alertList, parameters);
  const page = pageOf(alertList, snapshot.alerts, query);
  const view: ListView<AlertRow> = {
    ...{ list: alertList, query, page, path: "/alerts", words: WORDS },
    facets: ["person", "acknowledged", "about", "kind", "criticality", "owner", "team", "label"],
  };
  const isFiltered = query.facets.size > 0 || query.q !== "";
  return layout(facts, {
    title: "Alerts",
    body: html`${heading("Alerts")} ${
      isFiltered ? NOTHING : await causesPanel(facts)
    } ${savedViews(facts, "alerts", writeQuery(alertList, query))} ${toolbar(view, "Certificate, finding or words")}
      <div class="with-facets">${facetPanel(view)}<div>${pager(view, "alerts")}${table(view, facts)}</div></div>
      ${isFiltered ? NOTHING : html`<div class="columns">${await channels(facts)}${await exercisesPanel(facts)}${await peersPanel(facts)}${await rulesPanel(facts)}</div>`}`,
  });
}

function table(view: ListView<AlertRow>, { now, here, snapshot }: PageFacts): Html {
  const { page } = view;
  if (page.rows.length === 0)
    return html`<p class="empty">${
      page.all === 0
        ? html`Nothing is wrong at ${clockTime(snapshot.at)} UTC.`
        : html`None of ${formatNumber(page.all)} alerts fits. <a href="/alerts">Show all</a>`
    }</p>`;
  return html`<table class="list"><thead><tr>
    ${columnHeading(view, "worst", "Calls a person")}${columnHeading(view, "subject", "About")}<th
      scope="col">What, and what to do</th>${columnHeading(view, "expires", "Expires")}<th
        scope="col">Acknowledged</th></tr></thead>
    <tbody>${page.rows.map(
      ({ subject, about, kind, what, needsPerson, acknowledged, action, expiresAt, responsibility }) => html`<tr>
      <td data-label="Calls a person">${needsPerson ? tag("yes", "bad") : tag("no")}</td>
      <th scope="row" data-label="About">${
        about === "certificate"
          ? html`<a href="${certificateHref(subject)}">${foreign(subject)}</a>`
          : html`renewd itself`
      } <small>${foreign(findingWord(kind))}</small></th>
      <td data-label="What">${foreign(what)} <small>${advice(action)}</small>${
        isAnswered(responsibility) ? html`<small>${responsible(responsibility, "/alerts")}</small>` : NOTHING
      }</td>
      <td data-label="Expires">${relative(expiresAt === null ? null : Date.parse(expiresAt), now)}</td>
      <td data-label="Acknowledged">${
        acknowledged === null
          ? html`<a href="${actionHref("acknowledge", { subject, back: here })}"
            aria-label="Acknowledge ${foreign(subjectText(subject, snapshot))}">acknowledge</a>`
          : html`by ${foreign(acknowledged.by ?? "somebody")} until
            ${instant(Date.parse(acknowledged.until))}<small>${foreign(acknowledged.reason)} · <a
              href="${actionHref("withdraw", { subject, back: here })}">withdraw</a></small>`
      }</td>
    </tr>`,
    )}</tbody></table>`;
}
