import { html } from "hono/html";
import type { HistoryEvent } from "../../domain/event.ts";
import { DEPLOYMENT_STATES, type DeploymentRow, deploymentList } from "../../reports/lists/deploymentList.ts";
import { pageOf, readQuery, writeQuery } from "../../reports/lists/list.ts";
import { deploymentTable, targetHref } from "./deployments.ts";
import type { PageFacts } from "./facts.ts";
import { heading, layout } from "./layout.ts";
import { facetPanel, type ListView, pager, toolbar } from "./parts/list.ts";
import { count, foreign, formatNumber, type Html, NOTHING } from "./parts/markup.ts";
import { DEPLOYMENT_LOOK } from "./parts/state.ts";
import { relative } from "./parts/time.ts";
import { savedViews } from "./savedViews.ts";
import { checkText, deployerText, lastChecks } from "./targetFacts.ts";

const WORDS = { state: Object.fromEntries(Object.entries(DEPLOYMENT_LOOK).map(([state, { word }]) => [state, word])) };

/** What each target holds, and what keeps it from holding the latest. */
export async function targetsPage(facts: PageFacts): Promise<Html> {
  const { snapshot, parameters } = facts;
  const query = readQuery(deploymentList, parameters);
  const page = pageOf(deploymentList, snapshot.deployments, query);
  const view: ListView<DeploymentRow> = {
    ...{ list: deploymentList, query, page, path: "/targets", words: WORDS },
    facets: ["state", "target", "error", "criticality", "owner", "team", "label"],
  };
  const isFiltered = query.facets.size > 0 || query.q !== "";
  return layout(facts, {
    title: "Targets",
    body: html`${heading("Targets")} ${savedViews(facts, "targets", writeQuery(deploymentList, query))}
      ${
        isFiltered ? NOTHING : overview(facts, await lastChecks(facts))
      } ${toolbar(view, "Target, certificate or message")}
      <div class="with-facets">${facetPanel(view)}<div>${pager(view, "deployments")}${table(view, facts)}</div></div>`,
  });
}

function overview(facts: PageFacts, checks: ReadonlyMap<string, HistoryEvent>): Html {
  const { snapshot, web, now } = facts;
  const { targets } = web.config();
  const byTarget = Map.groupBy(snapshot.deployments, ({ target }) => target);
  const names = [...new Set([...targets.keys(), ...byTarget.keys()])].sort();
  const shown = DEPLOYMENT_STATES.filter((state) => snapshot.deployments.some((row) => row.state === state));
  return html`<section class="panel"><table class="list"><thead><tr><th scope="col">Target</th>
    <th scope="col">Certificates</th>
    ${shown.map((state) => html`<th scope="col">${DEPLOYMENT_LOOK[state].word}</th>`)}
    <th scope="col">Last deployed</th><th scope="col">Preflight</th><th scope="col">Deployed by</th></tr></thead>
    <tbody>${names.map((name) => {
      const rows = byTarget.get(name) ?? [];
      const of = `/targets?target=${encodeURIComponent(name)}`;
      const deployedAt = Math.max(0, ...rows.map((row) => row.deployedAt ?? 0));
      const responsibility = targets.get(name)?.responsibility;
      return html`<tr>
        <th scope="row" data-label="Target"><a href="${targetHref(name)}">${foreign(name)}</a>
          <small>${foreign(targets.get(name)?.type ?? "left the configuration")}${
            responsibility?.owner == null ? "" : ` · ${foreign(responsibility.owner)}`
          }</small></th>
        <td data-label="Certificates">${count(rows.length, of)}</td>
        ${shown.map((state) => {
          const number = rows.filter((row) => row.state === state).length;
          return html`<td data-label="${DEPLOYMENT_LOOK[state].word}">${
            number === 0 ? html`<span class="quiet">–</span>` : count(number, `${of}&state=${state}`)
          }</td>`;
        })}
        <td data-label="Last deployed">${relative(deployedAt === 0 ? null : deployedAt, now, "never")}</td>
        <td data-label="Preflight">${checkText(checks.get(name), now)}</td>
        <td data-label="Deployed by">${deployerText(facts, name)}</td></tr>`;
    })}</tbody></table></section>`;
}

function table(view: ListView<DeploymentRow>, facts: PageFacts): Html {
  const { page } = view;
  if (page.rows.length > 0) return deploymentTable(page.rows, facts, view);
  return html`<p class="empty">${
    page.all === 0
      ? "No certificate has a target."
      : html`None of ${formatNumber(page.all)} deployments fits. <a href="/targets">Show all</a>`
  }</p>`;
}
