import { html } from "hono/html";
import { horizonReport } from "../../reports/horizon.ts";
import type { PageFacts } from "./facts.ts";
import { foreign, type Html, NOTHING } from "./parts/markup.ts";
import { tag } from "./parts/state.ts";
import { instant, relative } from "./parts/time.ts";

/** What else ends and breaks renewals then. */
export async function horizonPanel({ web, now }: PageFacts): Promise<Html> {
  const { ends } = await horizonReport(web.renewal.store, null, now);
  return html`<section class="panel"><h2>Horizon</h2>
    ${
      ends.length === 0
        ? html`<p class="quiet">Nothing is known to end: tokens, domains and client certificates are looked at a minute
          after a planner has started, and <code>horizon:</code> of the configuration declares others.</p>`
        : html`<table class="list"><thead><tr><th scope="col">Of</th><th scope="col">What</th><th scope="col">Ends</th>
          <th scope="col">Owner</th><th scope="col">Looked at</th></tr></thead>
        <tbody>${ends.map(
          ({ subject, what, endsAt, owner, runbook, note, problem, checkedAt }) => html`<tr>
          <th scope="row" data-label="Of">${foreign(subject)}</th>
          <td data-label="What">${foreign(what)} ${note === null ? NOTHING : html`<small>${foreign(note)}</small>`}</td>
          <td data-label="Ends">${
            endsAt === null
              ? "–"
              : html`${instant(Date.parse(endsAt))} <small>${relative(Date.parse(endsAt), now)}</small> ${
                  Date.parse(endsAt) <= now ? tag("ended", "bad") : NOTHING
                }`
          }</td>
          <td data-label="Owner">${owner === null ? "–" : foreign(owner)}${
            runbook === null ? NOTHING : html` <a href="${runbook}" rel="noreferrer">runbook</a>`
          }</td>
          <td data-label="Looked at">${relative(Date.parse(checkedAt), now)}${
            problem === null ? NOTHING : html` <small>not read: ${foreign(problem)}</small>`
          }</td></tr>`,
        )}</tbody></table>`
    }
  </section>`;
}
