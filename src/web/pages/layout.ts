import { html } from "hono/html";
import { MINUTE_MS } from "../../domain/time.ts";
import { certificateCount } from "../../reports/snapshot.ts";
import { assetUrl } from "../assets/index.ts";
import type { PageFacts } from "./facts.ts";
import { foreign, formatNumber, type Html, NOTHING } from "./parts/markup.ts";
import { clockTime, short } from "./parts/time.ts";

const NAVIGATION: readonly (readonly [string, string])[] = [
  ["/", "Now"],
  ["/certificates", "Certificates"],
  ["/history", "History"],
  ["/calendar", "Calendar"],
  ["/endpoints", "Endpoints"],
  ["/inventory", "Inventory"],
  ["/targets", "Targets"],
  ["/issuers", "Issuers"],
  ["/replacements", "Replacements"],
  ["/alerts", "Alerts"],
  ["/report", "Report"],
];

/** Details belong to the list they are reached from. */
const BELONGS_TO: Readonly<Record<string, string>> = { "/renewals": "/history", "/actions": "/certificates" };

/** Of an older reading the time of day says too little. */
const OLD_MS = 2 * MINUTE_MS;

/** Without JavaScript the page loads itself again. */
const RELOAD_S = 60;
const UNREAD_RELOAD_S = 5;

/** What a person has unfolded stays so when the page loads itself again. */
const HTMX_CONFIG = JSON.stringify({
  includeIndicatorCSS: false,
  morphIgnore: ["data-htmx-powered", "open"],
  defaultTimeout: 20_000,
  sse: { reconnectMaxDelay: 5_000 },
});

export interface PageOptions {
  readonly title: string;
  readonly body: Html;
  /** Loads itself again when something changes; not where a person is typing. */
  readonly live?: boolean;
}

export function layout(facts: PageFacts, { title, body, live = true }: PageOptions): Html {
  const { web, here, snapshot, now } = facts;
  const refresh = live
    ? html` hx-get="${here}" hx-trigger="renewd-changed from:body throttle:1s" hx-select="#main" hx-swap="outerMorph"
      hx-select-oob="#pages:outerMorph,#read:outerMorph"`
    : NOTHING;
  return html`${documentHead(web.version, title, live ? reload(snapshot) : NOTHING)}
      <body>
        <a class="skip" href="#main">Skip to content</a>
        ${header(facts)}
        ${live ? html`<div id="live" hx-sse:connect="/live?after=${snapshot.seq}" hx-swap="none" hidden></div>` : NOTHING}
        <main id="main" tabindex="-1"${refresh}>${unreadNote(snapshot)}${body}</main>
        <footer>
          <p>
            renewd ${web.version} · <span id="live-state" role="status">${live ? "" : ""}</span>
            <span id="read">read ${clockTime(snapshot.at)} UTC${ageOf(snapshot, now)}</span>
            · <a href="/api/v1/reference">API</a> · signed in as ${foreign(facts.actor.name)}
          </p>
          <form method="post" action="/sign-out"><button class="link">Sign out</button></form>
        </footer>
      </body>
    </html>`;
}

/** Nothing that happens says when the rest of a large fleet is read. */
function reload({ unread }: PageFacts["snapshot"]): Html {
  if (unread !== null) return html`<meta http-equiv="refresh" content="${UNREAD_RELOAD_S}" />`;
  return html`<noscript><meta http-equiv="refresh" content="${RELOAD_S}" /></noscript>`;
}

function unreadNote(snapshot: PageFacts["snapshot"]): Html {
  const { certificates, unread } = snapshot;
  if (unread === null) return NOTHING;
  const [all, shown] = [certificateCount(snapshot), certificates.length];
  return html`<p class="card quiet-card">renewd has just started and reads all ${formatNumber(all)} certificates. Until
    then lists hold ${formatNumber(shown)}: all that are wrong, in flight or changed lately. The planner found the
    other ${formatNumber(all - shown)} well${
      unread.checkedSince === null ? NOTHING : html` at ${clockTime(unread.checkedSince)} UTC or later`
    }. This page loads itself again.</p>`;
}

/** The first page of a large fleet after a night shows the reading of the evening, while the next one is made. */
export function ageOf({ at, isOutdated }: Pick<PageFacts["snapshot"], "at" | "isOutdated">, now: number): Html {
  const age = short(now - at);
  if (isOutdated) return html` – <b class="bad-text">${age} ago: the database may be away</b>`;
  return now - at > OLD_MS ? html`, ${age} ago` : NOTHING;
}

export function documentHead(version: string, title: string, more: Html = NOTHING): Html {
  // htmx begins when the document is parsed, but at once where it is already, as in a deferred script: then before its
  // extension, which may be on its way, and the page is never live. So htmx itself is not deferred.
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="htmx-config"
          content="${HTMX_CONFIG}" />
        <title>${foreign(title)} – renewd</title>
        <link rel="icon" type="image/svg+xml" href="${assetUrl("renewd.svg", version)}" />
        <link rel="stylesheet" href="${assetUrl("renewd.css", version)}" />
        <script src="${assetUrl("htmx.js", version)}"></script>
        <script src="${assetUrl("hx-sse.js", version)}" defer></script>
        <script src="${assetUrl("renewd.js", version)}" defer></script>
        ${more}
      </head>`;
}

function header({ path, snapshot }: PageFacts): Html {
  const section = `/${path.split("/")[1] ?? ""}`;
  const current = BELONGS_TO[section] ?? section;
  const needed = snapshot.alerts.filter(({ needsPerson }) => needsPerson).length;
  return html`<header>
    <a class="brand" href="/">renewd</a>
    <nav id="pages" aria-label="Pages">
      <ul>
        ${NAVIGATION.map(([href, name]) => {
          const mark = href === current ? html` aria-current="page"` : NOTHING;
          const badge =
            href === "/alerts" && needed > 0 ? html` <b class="badge">${formatNumber(needed)}</b>` : NOTHING;
          return html`<li><a href="${
            href === "/alerts" && needed > 0 ? "/alerts?person=yes" : href
          }"${mark}${badgeCount(href, needed)}>${name}${badge}</a></li>`;
        })}
      </ul>
    </nav>
  </header>`;
}

function badgeCount(href: string, needed: number): Html {
  return href === "/alerts" && needed > 0 ? html` data-count="${needed}"` : NOTHING;
}

/** The head of a page: what it is about, in one sentence. */
export function heading(title: string, verdict: Html | string = NOTHING, actions: Html = NOTHING): Html {
  return html`<div class="heading">
    <div><h1>${foreign(title)}</h1>${verdict === NOTHING ? NOTHING : html`<p class="verdict">${verdict}</p>`}</div>
    ${actions === NOTHING ? NOTHING : html`<div class="actions">${actions}</div>`}
  </div>`;
}
