import { html } from "hono/html";
import type { NameServerCount, NameServerTotal } from "../../domain/nameServerTotals.ts";
import type { ProcessEntry } from "../../reports/status.ts";
import type { PageFacts } from "./facts.ts";
import { heading, layout } from "./layout.ts";
import { advice, foreign, formatNumber, type Html, NOTHING, plural } from "./parts/markup.ts";
import { tag } from "./parts/state.ts";
import { clockTime, relative } from "./parts/time.ts";

/** Who works here: every process that reported lately, what it does, and whether it still does. */
export async function processesPage(facts: PageFacts): Promise<Html> {
  const { snapshot, now, web } = facts;
  const { processes } = snapshot.status;
  const running = processes.filter((each) => each.running).length;
  const beats = await web.renewal.store.health.beats();
  const problems = beats.flatMap(({ process, role, problems: found }) =>
    found.map((each) => ({ process, role, ...each })),
  );
  return layout(facts, {
    title: "Processes",
    body: html`${heading(
      "Processes",
      html`${running} ${plural(running, "role runs", "roles run")} at ${clockTime(snapshot.at)} UTC.`,
    )}
      ${
        problems.length === 0
          ? ""
          : html`<section class="card bad-card"><ul class="rows">${problems.map(
              ({ process, role, message, action, since }) => html`<li><b>${role}</b> ${foreign(process)}:
                ${foreign(message)}, since ${relative(since, now)} <span class="quiet">${advice(action)}</span></li>`,
            )}</ul></section>`
      }
      ${
        processes.length === 0
          ? html`<p class="empty">No process has reported lately: start <code>renewd run</code>.</p>`
          : html`<table class="list"><thead><tr><th scope="col">Role</th><th scope="col">State</th>
            <th scope="col">Process</th><th scope="col">Last report</th><th scope="col">Last work</th>
            <th scope="col">Started</th><th scope="col">Release</th></tr></thead>
            <tbody>${processes.toSorted(stoppedFirst).map((each) => line(each, now))}</tbody></table>`
      }
      ${nameServer(await web.renewal.store.nameServerTotals.list(), hasNameServer(web), now)}`,
  });
}

function hasNameServer({ config }: PageFacts["web"]): boolean {
  return [...config().solvers.values()].some(({ plugin }) => plugin.type === "dns-server");
}

/** What renewd's own name server was asked, in all processes. */
function nameServer(totals: readonly NameServerTotal[], isConfigured: boolean, now: number): Html {
  if (totals.length === 0 && !isConfigured) return NOTHING;
  const rows = totals.map(
    ({ transport, answer, count, lastAt }) => html`<tr><th scope="row" data-label="Answer">${ANSWERS[answer]}</th>
      <td data-label="Over">${transport.toUpperCase()}</td>
      <td data-label="Queries">${formatNumber(count)}</td>
      <td data-label="Last">${relative(lastAt, now)}</td></tr>`,
  );
  return html`<section class="panel"><h2>Name server</h2>${
    rows.length === 0
      ? html`<p class="quiet">Nobody has asked it anything yet: <code>renewd challenges delegate NAME</code> checks
        whether its zones are delegated to it.</p>`
      : html`<table class="list"><thead><tr><th scope="col">Answer</th><th scope="col">Over</th>
        <th scope="col">Queries</th><th scope="col">Last</th></tr></thead><tbody>${rows}</tbody></table>`
  }</section>`;
}

const ANSWERS: Readonly<Record<NameServerCount["answer"], string>> = {
  value: "a challenge's value",
  zone: "records of the zone",
  noData: "no such record",
  refused: "refused: not its zone",
  malformed: "not well-formed",
  failed: "failed: the database did not answer",
  truncated: "too long, asked again over TCP",
  rateLimited: "over the rate limit",
  overloaded: "too many at once",
  connection: "connection closed for another",
};

function line(
  { process, role, version, targets, running, startedAt, lastReportAt, lastWorkAt }: ProcessEntry,
  now: number,
): Html {
  return html`<tr><th scope="row" data-label="Role">${role}${
    targets.length === 0 ? "" : html` <small>for ${foreign(targets.join(", "))} alone</small>`
  }</th>
    <td data-label="State">${running ? tag("runs", "busy") : tag("silent", "bad")}</td>
    <td data-label="Process">${foreign(process)}</td>
    <td data-label="Last report">${relative(Date.parse(lastReportAt), now)}</td>
    <td data-label="Last work">${relative(lastWorkAt === null ? null : Date.parse(lastWorkAt), now, "none yet")}</td>
    <td data-label="Started">${relative(Date.parse(startedAt), now)}</td>
    <td data-label="Release">${foreign(version)}</td></tr>`;
}

function stoppedFirst(a: ProcessEntry, b: ProcessEntry): number {
  return Number(a.running) - Number(b.running) || (a.role < b.role ? -1 : 1);
}
