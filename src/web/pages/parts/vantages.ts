import { html } from "hono/html";
import type { VantagesEntry } from "../../../reports/certificates.ts";
import { foreign, type Html, NOTHING } from "./markup.ts";
import { relative } from "./time.ts";

/** What each network sees, where several must agree. */
export function seenFrom(vantages: readonly VantagesEntry[], now: number): Html {
  if (vantages.length === 0) return NOTHING;
  return html`<section class="panel"><h2>What each vantage sees</h2>
    ${vantages.map(({ endpoint, difference }) =>
      difference === null ? NOTHING : html`<p class="card bad-card">${foreign(endpoint)}: ${foreign(difference)}</p>`,
    )}
    <table class="list"><thead><tr><th scope="col">Vantage</th><th scope="col">Endpoint</th><th scope="col">Sees</th>
      <th scope="col">Looked</th><th scope="col">Verdict</th></tr></thead>
    <tbody>${vantages.flatMap(({ endpoint, views }) =>
      views.map(
        ({ vantage, sees, lookedAt, proved, silent }) => html`<tr>
          <th scope="row" data-label="Vantage">${foreign(vantage)}</th>
          <td data-label="Endpoint">${foreign(endpoint)}</td>
          <td data-label="Sees">${foreign(sees)}</td>
          <td data-label="Looked">${relative(lookedAt === null ? null : Date.parse(lookedAt), now, "never")}</td>
          <td data-label="Verdict">${
            silent
              ? html`<span class="bad-text">unknown: no verifier runs there</span>`
              : proved
                ? "proved"
                : html`<span class="quiet">not proved</span>`
          }</td></tr>`,
      ),
    )}</tbody></table></section>`;
}
