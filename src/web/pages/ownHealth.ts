import { html } from "hono/html";
import type { AlertRow } from "../../reports/lists/alertList.ts";
import { certificateCount } from "../../reports/snapshot.ts";
import type { PageFacts } from "./facts.ts";
import { advice, foreign, formatNumber, type Html, NOTHING } from "./parts/markup.ts";
import { relative } from "./parts/time.ts";

/** The processes that run, and what is worth knowing of renewd itself although nobody has to act. */
export function ownHealth({ snapshot, web, now }: PageFacts, notices: readonly AlertRow[]): Html {
  const { processes } = snapshot.status;
  const running = processes.filter((each) => each.running);
  const total = certificateCount(snapshot);
  const unseen = snapshot.examined.filter(({ member }) => member.record === null).length;
  return html`<section class="panel">
    <h2>renewd itself</h2>
    <ul class="rows">
      ${running.map(
        ({ process, role, version, lastReportAt, lastWorkAt }) => html`<li>
          <b>${role}</b> ${foreign(process)} <span class="quiet">${version} · reported
            ${relative(Date.parse(lastReportAt), now)} · ${
              lastWorkAt === null ? "no work yet" : html`worked ${relative(Date.parse(lastWorkAt), now)}`
            }</span>
        </li>`,
      )}
      ${running.length === 0 ? html`<li class="bad-text">No process has reported within a minute.</li>` : NOTHING}
    </ul>
    ${
      notices.length === 0
        ? NOTHING
        : html`<h3>For your information</h3><ul class="rows">
      ${notices.map(
        ({ what, action }) => html`<li>${foreign(what)} <span
        class="quiet">${advice(action)}</span></li>`,
      )}</ul>`
    }
    ${
      web.estate().certificates.length === 0
        ? NOTHING
        : html`<p class="quiet">The planner saw ${formatNumber(total - unseen)} of ${formatNumber(total)}
          certificates.</p>`
    }
  </section>`;
}
