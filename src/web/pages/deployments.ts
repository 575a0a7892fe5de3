import { html } from "hono/html";
import type { DeploymentRow } from "../../reports/lists/deploymentList.ts";
import { actionHref } from "./actionLinks.ts";
import type { PageFacts } from "./facts.ts";
import { heading as columnHeading, type ListView } from "./parts/list.ts";
import { certificateHref, foreign, type Html, NOTHING, pathOf } from "./parts/markup.ts";
import { DEPLOYMENT_LOOK, pill } from "./parts/state.ts";
import { relative } from "./parts/time.ts";

export function targetHref(name: string): string {
  return pathOf("targets", name);
}

/** `view`: its headings sort. */
export function deploymentTable(
  rows: readonly DeploymentRow[],
  { now, here }: PageFacts,
  view: ListView<DeploymentRow> | null = null,
): Html {
  if (rows.length === 0) return html`<p class="quiet">It holds nothing.</p>`;
  const title = (sort: string, word: string, first: "up" | "down" = "up"): Html =>
    view === null ? html`<th scope="col">${word}</th>` : columnHeading(view, sort, word, first);
  return html`<table class="list">
    <thead><tr>${title("worst", "State")}${title("target", "Target")}${title("certificate", "Certificate")}
      <th scope="col">Generation</th>${title("behind", "Behind since")}${title("deployed", "Deployed", "down")}
      <th scope="col">Next attempt</th><th scope="col"><span class="visually-hidden">Action</span></th></tr></thead>
    <tbody>${rows.map((row) => deploymentLine(row, now, here))}</tbody></table>`;
}

function deploymentLine(row: DeploymentRow, now: number, here: string): Html {
  const { certificate, target, state, issued, deployed, deployedAt, behindSince, nextAttemptAt, attempts } = row;
  const { message, errorCode } = row;
  const deploy = actionHref("deploy", { certificate, target, back: here });
  return html`<tr>
    <td data-label="State">${pill(DEPLOYMENT_LOOK[state])}</td>
    <th scope="row" data-label="Target"><a href="${targetHref(target)}">${foreign(target)}</a>${
      message === null ? NOTHING : html` <small class="bad-text">${foreign(message)} <code>${errorCode}</code></small>`
    }</th>
    <td data-label="Certificate"><a href="${certificateHref(certificate)}">${foreign(certificate)}</a></td>
    <td data-label="Generation">${issued === 0 ? "nothing" : `${deployed} of ${issued}`}</td>
    <td data-label="Behind since">${relative(behindSince, now)}</td>
    <td data-label="Deployed">${relative(deployedAt, now, "never")}</td>
    <td data-label="Next attempt">${
      nextAttemptAt !== null && nextAttemptAt > now ? relative(nextAttemptAt, now) : html`<span class="quiet">–</span>`
    }${attempts === 0 ? NOTHING : html` <small>${attempts} failed</small>`}</td>
    <td><a href="${deploy}" aria-label="Deploy ${foreign(certificate)} to ${foreign(target)} again">deploy</a></td>
  </tr>`;
}
