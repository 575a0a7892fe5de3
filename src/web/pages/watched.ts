import { html } from "hono/html";
import type { ServedChangeEntry } from "../../reports/served.ts";
import { asKnown, type WatchedEntry, watchedEntry, worstFirst } from "../../reports/watched.ts";
import { HttpProblem } from "../problem.ts";
import type { PageFacts } from "./facts.ts";
import { heading, layout } from "./layout.ts";
import { certificateHref, foreign, type Html, NOTHING } from "./parts/markup.ts";
import { isAnswered, responsible } from "./parts/responsibility.ts";
import { pill, WATCH_LOOK } from "./parts/state.ts";
import { relative } from "./parts/time.ts";

/** More than people read; `renewd watched` and the API have all. */
const SHOWN_MAX = 200;
const CHANGES_SHOWN_MAX = 20;

/** Below the endpoints of certificates: what only is watched. */
export async function watchedPanel({ web, now }: PageFacts): Promise<Html> {
  const all = (await web.renewal.store.watched.list()).map((each) => asKnown(each, now)).toSorted(worstFirst);
  if (all.length === 0) return NOTHING;
  const rows = all.slice(0, SHOWN_MAX).map((each) => line(watchedEntry(each), now));
  const rest = all.length - rows.length;
  return html`<section class="panel" id="watched"><h2>Watched: renewed by somebody else</h2>
    <table class="list"><thead><tr><th scope="col">State</th><th scope="col">Endpoint</th><th scope="col">Expires</th>
      <th scope="col">Looked at</th><th scope="col">Next</th></tr></thead><tbody>${rows}</tbody></table>
    ${rest === 0 ? NOTHING : html`<p class="quiet">and ${rest} more: <code>renewd watched</code></p>`}</section>`;
}

function line(entry: WatchedEntry, now: number): Html {
  const { name, state, host, port, starttls, expiresAt, lookedAt, nextLookAt, errorMessage } = entry;
  return html`<tr>
    <td data-label="State">${pill(WATCH_LOOK[state])}</td>
    <th scope="row" data-label="Endpoint"><a href="${certificateHref(`watch:${name}`)}">${foreign(name)}</a>
      <small>${foreign(`${host}:${port}`)}${starttls === null ? "" : `, STARTTLS ${starttls}`}</small>
      ${errorMessage === null ? NOTHING : html`<small class="bad-text">${foreign(errorMessage)}</small>`}</th>
    <td data-label="Expires">${relative(instantOf(expiresAt), now)}</td>
    <td data-label="Looked at">${relative(instantOf(lookedAt), now, "never")}</td>
    <td data-label="Next">${relative(Math.max(now, Date.parse(nextLookAt)), now)}</td></tr>`;
}

/** One watched endpoint: what each address serves now, and served before. */
export async function watchedPage(facts: PageFacts, key: string): Promise<Html> {
  const { web, now } = facts;
  const found = await web.renewal.store.watched.get(key);
  if (found === null)
    throw new HttpProblem(404, "no such endpoint is watched", { action: "See the list of endpoints." });
  const watched = asKnown(found, now);
  const entry = watchedEntry(watched);
  const { name, state, since, host, port, sni, lookedAt, nextLookAt, errorMessage, errorCode } = entry;
  return layout(facts, {
    title: name,
    body: html`${heading(name, html`${pill(WATCH_LOOK[state])} ${foreign(`${host}:${port}`)}, asked for ${foreign(sni)}`)}
      ${
        isAnswered(watched.responsibility)
          ? html`<p class="responsible">${responsible(watched.responsibility, "/endpoints")}</p>`
          : NOTHING
      }
      ${
        errorMessage === null
          ? NOTHING
          : html`<p class="card bad-card">${foreign(errorMessage)} <code>${errorCode}</code></p>`
      }
      <section class="panel"><dl class="facts">
        <div><dt>Since</dt><dd>${relative(instantOf(since), now, "not known")}</dd></div>
        <div><dt>Looked at</dt><dd>${relative(instantOf(lookedAt), now, "never")}</dd></div>
        <div><dt>Next</dt><dd>${relative(Math.max(now, Date.parse(nextLookAt)), now)}</dd></div>
        <div><dt>Renewed by</dt><dd>somebody else: renewd only watches it</dd></div></dl></section>
      ${await servedPanel(facts, { host, port, sni })}`,
  });
}

/** What the endpoint's addresses served, by change; empty before the first look. */
export async function servedPanel(
  { web, now }: PageFacts,
  { host, port, sni }: { readonly host: string; readonly port: number; readonly sni: string },
): Promise<Html> {
  const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const report = await web.inquiries.served({ address, at: null }).catch(() => null);
  const places = (report?.places ?? []).filter(({ place }) => place.startsWith(`${sni}@`));
  const parts = places.map(
    ({ place, changes }) => html`<h3><code>${foreign(place.slice(sni.length + 1))}</code></h3>
      <table class="list"><thead><tr><th scope="col">Since</th><th scope="col">Last seen</th><th scope="col">Served</th>
        <th scope="col">Until</th><th scope="col">Chain</th></tr></thead>
      <tbody>${changes.slice(0, CHANGES_SHOWN_MAX).map((change) => changeLine(change, now))}</tbody></table>`,
  );
  if (parts.length === 0) return NOTHING;
  return html`<section class="panel"><h2>What each address served</h2>${parts}
    <p class="quiet">At any instant: <code>renewd served ${foreign(address)} --at 2026-05-04T03:12Z</code></p></section>`;
}

function changeLine({ since, lastSeen, leaf, chain, code }: ServedChangeEntry, now: number): Html {
  return html`<tr><th scope="row" data-label="Since">${relative(Date.parse(since), now)}</th>
    <td data-label="Last seen">${relative(Date.parse(lastSeen), now)}</td>
    <td data-label="Served">${
      leaf === null
        ? html`<span class="bad-text">nothing</span> <code>${code ?? ""}</code>`
        : html`<code>${foreign(leaf.serial)}</code> <small>of ${foreign(leaf.issuer)}</small>`
    }</td>
    <td data-label="Until">${relative(instantOf(leaf?.notAfter ?? null), now)}</td>
    <td data-label="Chain">${foreign(chain.map(({ subject }) => subject).join(", ") || "–")}</td></tr>`;
}

function instantOf(text: string | null): number | null {
  return text === null || text === "" ? null : Date.parse(text);
}
