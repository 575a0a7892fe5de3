import { html } from "hono/html";
import { eventSentence } from "../../reports/eventSentence.ts";
import { DEPLOYMENT_STATES, deploymentList } from "../../reports/lists/deploymentList.ts";
import { pageOf, readQuery } from "../../reports/lists/list.ts";
import { HttpProblem } from "../problem.ts";
import { actionHref } from "./actionLinks.ts";
import { deploymentTable } from "./deployments.ts";
import type { PageFacts } from "./facts.ts";
import { heading, layout } from "./layout.ts";
import { count, foreign, type Html, NOTHING } from "./parts/markup.ts";
import { recent } from "./parts/recent.ts";
import { isAnswered, responsible } from "./parts/responsibility.ts";
import { DEPLOYMENT_LOOK } from "./parts/state.ts";
import { checkText, deployerText, lastCheck } from "./targetFacts.ts";

const EVENTS_SHOWN = 20;

/** One target: whether it can be deployed to, who deploys there, what it holds, and what happened there. */
export async function targetPage(facts: PageFacts, name: string): Promise<Html> {
  const { web, snapshot, now, here } = facts;
  const configured = web.config().targets.get(name);
  const own = snapshot.deployments.filter(({ target }) => target === name);
  if (configured === undefined && own.length === 0)
    throw new HttpProblem(404, `"${name.slice(0, 100)}" is no target of the configuration`, {
      action: "See the list of targets.",
    });
  const { store } = web.renewal;
  const filter = { targets: [name] };
  const events = await store.search.events(filter, { limit: EVENTS_SHOWN, beforeSeq: null });
  const check = await lastCheck(facts, name);
  const of = `/targets?target=${encodeURIComponent(name)}`;
  const query = readQuery(deploymentList, new URLSearchParams({ target: name }));
  const page = pageOf(deploymentList, snapshot.deployments, query);
  const byState = DEPLOYMENT_STATES.map((state) => ({ state, rows: own.filter((row) => row.state === state) }));
  return layout(facts, {
    title: name,
    body: html`${heading(
      name,
      html`${foreign(configured?.type ?? "left the configuration")} · ${count(
        own.length,
        of,
        own.length === 1 ? "certificate" : "certificates",
      )}`,
      configured === undefined || configured.agent
        ? NOTHING
        : html`<a class="button" href="${actionHref("check-target", { target: name, back: here })}">Check now</a>`,
    )}
      ${
        configured === undefined || !isAnswered(configured.responsibility)
          ? NOTHING
          : html`<p class="responsible">${responsible(configured.responsibility, "/targets")}</p>`
      }
      <section class="panel"><dl class="facts">
        ${byState
          .filter(({ rows }) => rows.length > 0)
          .map(
            ({ state, rows }) =>
              html`<div><dt>${DEPLOYMENT_LOOK[state].word}</dt>
                <dd>${count(rows.length, `${of}&state=${state}`)}</dd></div>`,
          )}
        <div><dt>Preflight</dt><dd>${checkText(check, now)}</dd></div>
        <div><dt>Deployed by</dt><dd>${deployerText(facts, name)}</dd></div>
        <div><dt>Clients meet it here</dt><dd>${configured?.served === false ? "no" : "yes"}</dd></div>
      </dl>
      ${check?.detail.passed === false ? html`<p class="bad-text">${foreign(eventSentence(check))}</p>` : NOTHING}
      </section>
      <section class="panel"><h2>What it holds</h2>${deploymentTable(page.rows, facts)}
        ${page.next === null ? NOTHING : html`<p><a href="${of}">all ${page.total}</a></p>`}</section>
      ${recent(events, `/history?view=events&q=${encodeURIComponent(`target:"${name}"`)}`, now)}`,
  });
}
