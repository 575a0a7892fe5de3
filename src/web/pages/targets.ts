import { html } from "hono/html";
import { DEPLOYMENT_STATES, type DeploymentRow, deploymentList } from "../../reports/lists/deploymentList.ts";
import { pageOf, readQuery, writeQuery } from "../../reports/lists/list.ts";
import { actionHref } from "./actionLinks.ts";
import type { PageFacts } from "./facts.ts";
import { heading, layout } from "./layout.ts";
import { heading as columnHeading, facetPanel, type ListView, pager, toolbar } from "./parts/list.ts";
import { certificateHref, count, foreign, formatNumber, type Html, NOTHING } from "./parts/markup.ts";
import { DEPLOYMENT_LOOK, pill, tag } from "./parts/state.ts";
import { relative } from "./parts/time.ts";
import { savedViews } from "./savedViews.ts";

const WORDS = { state: Object.fromEntries(Object.entries(DEPLOYMENT_LOOK).map(([state, { word }]) => [state, word])) };

/** What each target holds, and what keeps it from holding the latest. */
export function targetsPage(facts: PageFacts): Html {
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
      ${isFiltered ? NOTHING : overview(facts)} ${toolbar(view, "Target, certificate or message")}
      <div class="with-facets">${facetPanel(view)}<div>${pager(view, "deployments")}${table(view, facts)}</div></div>`,
  });
}

function overview({ snapshot, web, now }: PageFacts): Html {
  const { targets } = web.config();
  const byTarget = Map.groupBy(snapshot.deployments, ({ target }) => target);
  const names = [...new Set([...targets.keys(), ...byTarget.keys()])].sort();
  const { agentTargets } = web.estate();
  const { processes } = snapshot.status;
  return html`<section class="panel"><table class="list"><thead><tr><th scope="col">Target</th>
    <th scope="col">Certificates</th>
      ${DEPLOYMENT_STATES.map((state) => html`<th scope="col">${DEPLOYMENT_LOOK[state].word}</th>`)}<th scope="col">Last deployed</th><th scope="col">Deployer</th></tr></thead>
    <tbody>${names.map((name) => {
      const rows = byTarget.get(name) ?? [];
      const of = `/targets?target=${encodeURIComponent(name)}`;
      const deployedAt = Math.max(0, ...rows.map((row) => row.deployedAt ?? 0));
      const isAgent = agentTargets.includes(name);
      const runs = processes.some(({ role, running }) => role === "deployer" && running);
      return html`<tr>
        <th scope="row" data-label="Target">${foreign(name)} <small>${foreign(targets.get(name)?.type ?? "")}</small></th>
        <td data-label="Certificates">${count(rows.length, of)}</td>
        ${DEPLOYMENT_STATES.map((state) => {
          const number = rows.filter((row) => row.state === state).length;
          return html`<td data-label="${DEPLOYMENT_LOOK[state].word}">${number === 0 ? html`<span class="quiet">–</span>` : count(number, `${of}&state=${state}`)}</td>`;
        })}
        <td data-label="Last deployed">${relative(deployedAt === 0 ? null : deployedAt, now, "never")}</td>
        <td data-label="Deployer">${isAgent ? tag("its own agent") : runs ? html`<span class="quiet">shared</span>` : tag("none runs", "bad")}</td></tr>`;
    })}</tbody></table></section>`;
}

function table(view: ListView<DeploymentRow>, { now, here }: PageFacts): Html {
  const { page } = view;
  if (page.rows.length === 0)
    return html`<p class="empty">${page.all === 0 ? "No certificate has a target." : html`None of ${formatNumber(page.all)} deployments fits. <a href="/targets">Show all</a>`}</p>`;
  return html`<table class="list">
    <thead><tr>
      ${columnHeading(view, "worst", "State")}${columnHeading(view, "target", "Target")}${columnHeading(view, "certificate", "Certificate")}<th scope="col">Generation</th>
      ${columnHeading(view, "behind", "Behind since")}${columnHeading(view, "deployed", "Deployed", "down")}<th scope="col">Next attempt</th><th scope="col"><span class="visually-hidden">Action</span></th></tr></thead>
    <tbody>${page.rows.map(
      ({
        certificate,
        target,
        state,
        issued,
        deployed,
        deployedAt,
        behindSince,
        nextAttemptAt,
        attempts,
        errorCode,
        message,
      }) => html`<tr>
      <td data-label="State">${pill(DEPLOYMENT_LOOK[state])}</td>
      <th scope="row" data-label="Target">${foreign(target)}${message === null ? NOTHING : html` <small class="bad-text">${foreign(message)} <code>${errorCode}</code></small>`}</th>
      <td data-label="Certificate"><a href="${certificateHref(certificate)}">${foreign(certificate)}</a></td>
      <td data-label="Generation">${issued === 0 ? "nothing" : `${deployed} of ${issued}`}</td>
      <td data-label="Behind since">${relative(behindSince, now)}</td>
      <td data-label="Deployed">${relative(deployedAt, now, "never")}</td>
      <td data-label="Next attempt">${nextAttemptAt !== null && nextAttemptAt > now ? relative(nextAttemptAt, now) : html`<span class="quiet">–</span>`}${attempts === 0 ? NOTHING : html` <small>${attempts} failed</small>`}</td>
      <td><a href="${actionHref("deploy", { certificate, target, back: here })}" aria-label="Deploy ${foreign(certificate)} to ${foreign(target)} again">deploy</a></td>
    </tr>`,
    )}</tbody></table>`;
}
