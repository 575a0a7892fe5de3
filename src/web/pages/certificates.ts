import { html } from "hono/html";
import { certificateList } from "../../reports/lists/certificateList.ts";
import type { CertificateRow, Generations } from "../../reports/lists/certificateRow.ts";
import { pageOf, readQuery, writeQuery } from "../../reports/lists/list.ts";
import { WAITING_ON } from "../../reports/lists/waitingOn.ts";
import { actionHref } from "./actionLinks.ts";
import type { PageFacts } from "./facts.ts";
import { heading, layout } from "./layout.ts";
import { lifeBar } from "./parts/lifeBar.ts";
import { heading as columnHeading, facetPanel, type ListView, pager, toolbar } from "./parts/list.ts";
import { certificateHref, foreign, formatNumber, type Html, NOTHING } from "./parts/markup.ts";
import { criticalityTag } from "./parts/responsibility.ts";
import { CERTIFICATE_LOOK, pill } from "./parts/state.ts";
import { relative } from "./parts/time.ts";
import { savedViews } from "./savedViews.ts";

export const CERTIFICATE_WORDS = {
  state: Object.fromEntries(Object.entries(CERTIFICATE_LOOK).map(([state, { word }]) => [state, word])),
  waiting: WAITING_ON,
  expires: {
    past: "has expired",
    "1d": "within a day",
    "7d": "within 7 days",
    "30d": "within 30 days",
    later: "later",
    none: "nothing issued",
  },
  life: {
    "10d": "up to 10 days",
    "47d": "up to 47 days",
    "100d": "up to 100 days",
    "200d": "up to 200 days",
    longer: "longer",
    none: "nothing issued",
  },
  person: { yes: "yes", no: "no" },
  criticality: { critical: "critical", high: "high", normal: "normal", low: "low" },
  ready: { yes: "ready", no: "not ready" },
} as const;

const FACETS = [
  ...["state", "person", "waiting", "expires", "criticality", "owner", "team", "label", "life", "issuer", "target"],
  ...["key", "ready"],
];

export function certificatesPage(facts: PageFacts): Html {
  const { snapshot, parameters } = facts;
  const list = certificateList(snapshot.at);
  const query = readQuery(list, parameters);
  const view: ListView<CertificateRow> = {
    ...{ list, query, path: "/certificates", words: CERTIFICATE_WORDS, facets: FACETS },
    page: pageOf(list, snapshot.certificates, query),
  };
  return layout(facts, {
    title: "Certificates",
    body: html`${heading("Certificates")} ${savedViews(facts, "certificates", writeQuery(list, query))}
      ${toolbar(view, "Name, serial, fingerprint, or owner:alice team:web")}
      <div class="with-facets">${facetPanel(view)}<div>${pager(view, "certificates")}${rows(view, facts)}</div></div>`,
  });
}

function rows(view: ListView<CertificateRow>, facts: PageFacts): Html {
  const { page, query, list } = view;
  if (page.rows.length === 0)
    return html`<p class="empty">${
      page.all === 0
        ? facts.snapshot.unread === null
          ? "No certificates are configured."
          : "None is wrong, in flight or changed lately."
        : html`None of ${formatNumber(page.all)} certificates fits. <a href="/certificates">Show all</a>`
    }</p>`;
  const select = writeQuery(list, { ...query, after: null, limit: 50 });
  return html`<form method="get" action="/actions/renew">
      <input type="hidden" name="back" value="${facts.here}" />
      <table class="list certificates">
        <thead>
          <tr>
            <th scope="col"><span class="visually-hidden">Select</span></th>
            ${columnHeading(view, "worst", "State")}${columnHeading(view, "certificate", "Certificate")}
            <th scope="col">Runway</th>
            ${columnHeading(view, "expires", "Expires")}${columnHeading(view, "next", "Next, and why")}
            <th scope="col"><abbr title="generation issued, deployed, observed">Generation</abbr></th>
            ${columnHeading(view, "proved", "Last proof", "down")}
          </tr>
        </thead>
        <tbody>
          ${page.rows.map((row) => line(row, facts))}
        </tbody>
      </table>
      <fieldset class="bulk">
        <legend>With those selected</legend>
        <button formaction="/actions/renew">Renew</button>
        <button formaction="/actions/retry">Try again</button>
        <button formaction="/actions/deploy">Deploy again</button>
        <button formaction="/actions/pause">Pause</button>
        <button formaction="/actions/resume">Resume</button>
        <button formaction="/actions/drill">Drill</button>
        <span class="quiet">The plan is shown first.</span>
      </fieldset>
    </form>
    ${
      page.total > page.rows.length && page.total <= SELECT_MAX
        ? html`<p>For all ${formatNumber(page.total)}:
          ${(["renew", "retry", "pause", "resume"] as const).map(
            (action) => html`<a class="button plain"
            href="${actionHref(action, { select, back: facts.here })}">${action}</a> `,
          )}</p>`
        : NOTHING
    }
    ${pager(view, "certificates")}`;
}

/** More at once is a replacement: in waves, against a deadline, within the CA's limits. */
export const SELECT_MAX = 500;

function line(row: CertificateRow, { now }: PageFacts): Html {
  const { certificate, names, state, what, issuer, life, expiresAt, next, generations, provedAt, isAcknowledged } = row;
  const { responsibility } = row;
  return html`<tr>
    <td class="check"><input type="checkbox" name="certificate" value="${certificate}"
      aria-label="Select ${foreign(certificate)}" /></td>
    <td data-label="State">${pill(CERTIFICATE_LOOK[state])}${
      isAcknowledged ? html` <small>acknowledged</small>` : NOTHING
    }</td>
    <th scope="row" data-label="Certificate">
      <a href="${certificateHref(certificate)}">${foreign(certificate)}</a>
        ${criticalityTag(responsibility.criticality)}
      <small>${namesText(names, certificate)}${foreign(issuer)}${
        responsibility.owner === null ? NOTHING : html` · ${foreign(responsibility.owner)}`
      }</small>
      ${what === null ? NOTHING : html`<small class="bad-text">${foreign(what)}</small>`}
    </th>
    <td data-label="Runway">${
      life === null ? html`<span class="quiet">nothing issued</span>` : lifeBar(row.clientsLife ?? life, now)
    }${row.clientsLife === null ? NOTHING : html` <small>of the older pair that clients get</small>`}</td>
    <td data-label="Expires">${relative(expiresAt, now)}</td>
    <td data-label="Next">${
      next.at === null ? NOTHING : html`${relative(next.at, now)} `
    }<small>${foreign(next.what)}</small></td>
    <td data-label="Generation">${generationsText(generations)}</td>
    <td data-label="Last proof">${relative(provedAt, now, "never")}</td>
  </tr>`;
}

const NAMES_SHOWN = 2;

function namesText(names: readonly string[], certificate: string): string {
  const others = names.filter((name) => name !== certificate);
  if (others.length === 0) return "";
  const more = others.length > NAMES_SHOWN ? ` +${others.length - NAMES_SHOWN}` : "";
  return `${foreign(others.slice(0, NAMES_SHOWN).join(", "))}${more} · `;
}

/** `7/7/7`: what differs from the issued generation stands out. */
export function generationsText({ issued, deployed, observed }: Generations): Html {
  const part = (value: number | null): Html =>
    value === null ? html`–` : value === issued ? html`${value}` : html`<b class="bad-text">${value}</b>`;
  const spoken = `issued ${issued}, deployed ${deployed ?? "nowhere"}, observed ${observed ?? "nowhere"}`;
  return html`<span class="generations"><span
    aria-hidden="true">${issued}/${part(deployed)}/${part(observed)}</span><span
      class="visually-hidden">${spoken}</span></span>`;
}
