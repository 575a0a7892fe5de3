import { html } from "hono/html";
import { RENEWAL_STATES, type RenewalState } from "../../domain/renewal.ts";
import { formatInstant } from "../../domain/time.ts";
import { eventSentence } from "../../reports/eventSentence.ts";
import { iso } from "../../reports/instant.ts";
import {
  eventPage,
  type Histogram,
  type HistoryQuery,
  histogramOf,
  readHistoryQuery,
  renewalPage,
  writeHistoryQuery,
} from "../../reports/lists/historyList.ts";
import { TOKENS, valuesOf, withToken } from "../../reports/lists/historyTokens.ts";
import type { PageFacts } from "./facts.ts";
import { heading, layout } from "./layout.ts";
import { auditVerdict } from "./parts/auditVerdict.ts";
import {
  certificateHref,
  count,
  foreign,
  formatNumber,
  type Html,
  NOTHING,
  plural,
  renewalHref,
} from "./parts/markup.ts";
import { renewalTable } from "./parts/renewals.ts";
import { RENEWAL_LOOK, type Tone } from "./parts/state.ts";
import { relative } from "./parts/time.ts";
import { savedViews } from "./savedViews.ts";

/** Everything that ever happened, searched in the database. */
export async function historyPage(facts: PageFacts): Promise<Html> {
  const { web, now, parameters } = facts;
  const query = readHistoryQuery(parameters, now);
  const { store } = web.renewal;
  const histogram = await histogramOf(store, query, now);
  const [audited = null] = await store.events.list({ types: ["history.audited"], limit: 1 });
  return layout(facts, {
    title: "History",
    body: html`${heading("History")} ${savedViews(facts, "history", writeHistoryQuery({ ...query, after: null }))}
      ${search(query)} ${views(query)} ${bars(histogram, query)}
      ${query.view === "renewals" ? await renewals(facts, query, histogram) : await events(facts, query)}
      ${auditVerdict(audited, now)}`,
  });
}

function hrefOf(query: HistoryQuery, change: Partial<HistoryQuery>): string {
  return `/history${writeHistoryQuery({ ...query, after: null, ...change })}`;
}

function search({ q, view }: HistoryQuery): Html {
  return html`<div class="toolbar"><form class="search" action="/history" method="get" role="search" hx-morph-skip>
      <label class="visually-hidden" for="q">Search the history</label>
      <input id="q" type="search" name="q" value="${q}" maxlength="500" autocomplete="off"
        placeholder="name:shop error:acme. before:2026-11-01" />
      ${view === "renewals" ? NOTHING : html`<input type="hidden" name="view" value="${view}" />`}
      <button>Search</button>
    </form>
    <details class="tokens"><summary>What can be searched for</summary>
      <dl>${Object.entries(TOKENS).map(
        ([token, what]) => html`<div><dt><code>${token}:</code></dt><dd>${what}</dd></div>`,
      )}</dl></details>
    ${
      q === ""
        ? NOTHING
        : html`<p class="chips"><a class="chip" href="/history${writeHistoryQuery({ view })}">“<b>${foreign(q)}</b>”
          <span aria-hidden="true">×</span><span class="visually-hidden">remove search</span></a></p>`
    }
  </div>`;
}

function views(query: HistoryQuery): Html {
  const tab = (view: HistoryQuery["view"], word: string): Html =>
    html`<li><a href="${hrefOf(query, { view })}"${
      query.view === view ? html` aria-current="true"` : NOTHING
    }>${word}</a></li>`;
  return html`<nav class="tabs"
    aria-label="Rows"><ul>${tab("renewals", "Renewals")}${tab("events", "Events and decisions")}</ul></nav>`;
}

async function renewals(facts: PageFacts, query: HistoryQuery, histogram: Histogram): Promise<Html> {
  const { rows, total, byState, next } = await renewalPage(facts.web.renewal.store, query, histogram);
  const chosen = valuesOf(query.q, "state");
  const states = RENEWAL_STATES.filter((state) => (byState.get(state) ?? 0) > 0);
  const link = (state: RenewalState): Html => {
    const number = byState.get(state) ?? 0;
    const href = hrefOf(query, { q: withToken(query.q, "state", [state]) });
    return html`<li><a class="pill ${RENEWAL_LOOK[state].tone}" href="${href}" data-count="${number}"${
      chosen.includes(state) ? html` aria-current="true"` : NOTHING
    }>${RENEWAL_LOOK[state].word} <b>${formatNumber(number)}</b></a></li>`;
  };
  return html`<ul class="states">${states.map(link)}${
    chosen.length === 0
      ? NOTHING
      : html`<li><a href="${hrefOf(query, { q: withToken(query.q, "state", []) })}">all states</a></li>`
  }</ul>
    ${pager(query, total, plural(total, "renewal"), next, rows.length)}
    ${
      rows.length === 0
        ? html`<p class="empty">${query.q === "" ? "No certificate was renewed yet." : "No renewal fits."}</p>`
        : renewalTable(rows, facts.now, { withCertificate: true })
    }
    ${rows.length > 20 ? pager(query, total, plural(total, "renewal"), next, rows.length) : NOTHING}`;
}

async function events(facts: PageFacts, query: HistoryQuery): Promise<Html> {
  const { rows, total, next } = await eventPage(facts.web.renewal.store, query);
  const groups = grouped(rows);
  return html`${pager(query, total, plural(total, "event"), next, rows.length)}
    ${
      rows.length === 0
        ? html`<p class="empty">No event fits.</p>`
        : html`<table class="list events">
      <thead><tr><th scope="col">When</th><th scope="col">Number</th><th scope="col">What</th><th scope="col">By</th>
        </tr></thead>
      ${groups.map(
        ({ renewalId, certificate, events: inside }) => html`<tbody>
        <tr class="group"><th scope="rowgroup" colspan="4">${
          certificate === null
            ? "renewd itself"
            : html`<a href="${certificateHref(certificate)}">${foreign(certificate)}</a>`
        }${
          renewalId === null
            ? NOTHING
            : html` · <a href="${renewalHref(renewalId)}">renewal ${renewalId.slice(0, 8)}</a>`
        }</th></tr>
        ${inside.map(
          (event) => html`<tr id="event-${event.seq}"><td data-label="When">${relative(event.at, facts.now)}</td>
            <td data-label="Number"><a href="#event-${event.seq}">${event.seq}</a></td>
          <td data-label="What">${foreign(eventSentence(event))}</td>
            <td data-label="By" class="quiet">${foreign(event.worker)}</td></tr>`,
        )}
      </tbody>`,
      )}</table>`
    }`;
}

type Events = Awaited<ReturnType<typeof eventPage>>["rows"];

/** Rows in a row that belong to one renewal, or to none but one certificate. */
function grouped(rows: Events): { renewalId: string | null; certificate: string | null; events: Events[number][] }[] {
  const groups: { renewalId: string | null; certificate: string | null; events: Events[number][] }[] = [];
  for (const event of rows) {
    const last = groups.at(-1);
    if (last !== undefined && last.renewalId === event.renewalId && last.certificate === event.certificate)
      last.events.push(event);
    else groups.push({ renewalId: event.renewalId, certificate: event.certificate, events: [event] });
  }
  return groups;
}

function pager(query: HistoryQuery, total: number, noun: string, next: string | null, shown: number): Html {
  const file = `/history.csv${writeHistoryQuery({ ...query, after: null })}`;
  return html`<p class="pager">${count(total, hrefOf(query, {}), noun)}${
    shown < total ? `, ${formatNumber(shown)} shown` : ""
  }
    ${query.after === null ? NOTHING : html` · <a href="${hrefOf(query, {})}">newest</a>`}
    ${next === null ? NOTHING : html` · <a rel="next" href="${hrefOf(query, { after: next })}">older</a>`}
    · <a href="${file}" download>CSV of exactly this</a> · <a href="/report#audit">audit</a></p>`;
}

const BAR_WIDTH = 10;
const BAR_HEIGHT = 48;
const TONES: readonly Tone[] = ["good", "busy", "quiet", "warn", "bad"];

/** Renewals per day or longer span; a bar leads to its renewals. */
function bars({ from, stepMs, steps, bars: found }: Histogram, query: HistoryQuery): Html {
  const totals = Array.from({ length: steps }, (_, index) => found.filter((bar) => bar.from === from + index * stepMs));
  const most = Math.max(1, ...totals.map((step) => step.reduce((sum, bar) => sum + bar.count, 0)));
  const stepDays = Math.round(stepMs / 86_400_000);
  const until = formatInstant(from + steps * stepMs - 1).slice(0, 10);
  return html`<svg class="histogram" viewBox="0 0 ${steps * BAR_WIDTH} ${BAR_HEIGHT + 2}" preserveAspectRatio="none"
    role="group" aria-label="Renewals over time">
    ${totals.map((step, index) => {
      if (step.length === 0) return NOTHING;
      const begin = from + index * stepMs;
      // The first and the last bar may hold a part of their days only.
      const since = Math.max(begin, query.filter.since ?? begin);
      const before = Math.min(begin + stepMs, query.filter.before ?? begin + stepMs);
      const q = withToken(withToken(query.q, "since", [iso(since)]), "before", [iso(before)]);
      const number = step.reduce((sum, bar) => sum + bar.count, 0);
      let top = BAR_HEIGHT;
      const parts = TONES.map((tone) => {
        const share = step
          .filter(({ state }) => RENEWAL_LOOK[state].tone === tone)
          .reduce((sum, bar) => sum + bar.count, 0);
        const height = Math.round((share / most) * BAR_HEIGHT * 10) / 10;
        top -= height;
        return share === 0
          ? NOTHING
          : html`<rect class="bar-${tone}" x="${index * BAR_WIDTH + 1}" y="${top}" width="${BAR_WIDTH - 2}"
            height="${height}" />`;
      });
      const label = `${number} ${plural(number, "renewal")} from ${formatInstant(begin).slice(0, 10)}`;
      return html`<a href="${hrefOf(query, { q, view: "renewals" })}" data-count="${number}"
        aria-label="${label}"><title>${label}</title>${parts}</a>`;
    })}
    <line x1="0" x2="${steps * BAR_WIDTH}" y1="${BAR_HEIGHT + 0.5}" y2="${BAR_HEIGHT + 0.5}" />
  </svg>
  <p class="histogram-ends quiet"><span>${formatInstant(from).slice(0, 10)}</span><span>one bar:
    ${stepDays} ${plural(stepDays, "day")}</span><span>${until}</span></p>`;
}
