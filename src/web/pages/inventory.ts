import { html } from "hono/html";
import { adoptFound, keyInInventory, listInventory } from "../../actions/inventory.ts";
import { toRenewalError } from "../../domain/errors.ts";
import { inertLines } from "../../domain/text.ts";
import { adoptableOf } from "../../reports/adoptFound.ts";
import type { DiscoveryRunEntry, InventoryKeyReport, InventoryRow } from "../../reports/inventory.ts";
import { inventoryList } from "../../reports/lists/inventoryList.ts";
import { pageOf, readQuery, writeQuery } from "../../reports/lists/list.ts";
import { HttpProblem } from "../problem.ts";
import { actionHref } from "./actionLinks.ts";
import type { PageFacts } from "./facts.ts";
import { heading, layout } from "./layout.ts";
import { heading as columnHeading, facetPanel, type ListView, pager, toolbar } from "./parts/list.ts";
import { certificateHref, count, foreign, formatNumber, type Html, NOTHING, pathOf, plural } from "./parts/markup.ts";
import { pill, tag } from "./parts/state.ts";
import { instant, relative } from "./parts/time.ts";
import { savedViews } from "./savedViews.ts";

const WORDS = { managed: { unmanaged: "by nobody", watched: "watched", managed: "by renewd", ignored: "ignored" } };
const DIGITS = 12;
const NAMES_SHOWN_MAX = 3;
const PLACES_SHOWN_MAX = 3;
const EVERYTHING = { source: null, expiringMs: null, unmanaged: false } as const;

/** Every certificate that discovery has found, whoever manages it. */
export async function inventoryPage(facts: PageFacts): Promise<Html> {
  const { web, parameters, now } = facts;
  const query = readQuery(inventoryList, parameters);
  const { certificates, runs } = await listInventory(web, EVERYTHING);
  const page = pageOf(inventoryList, certificates, query);
  const view: ListView<InventoryRow> = {
    ...{ list: inventoryList, query, page, path: "/inventory", words: WORDS },
    facets: ["managed", "source", "key"],
  };
  return layout(facts, {
    title: "Inventory",
    body: html`${heading("Inventory")} ${savedViews(facts, "inventory", writeQuery(inventoryList, query))}
      ${toolbar(view, "Name, issuer, serial, fingerprint or place")}
      <div class="with-facets">${facetPanel(view)}<div>${pager(view, "certificates")}${table(view, runs, now)}</div></div>
      ${looks(runs, now)}`,
  });
}

function table(view: ListView<InventoryRow>, runs: readonly DiscoveryRunEntry[], now: number): Html {
  const { page } = view;
  if (page.all === 0)
    return html`<p class="empty">${
      runs.length === 0
        ? html`Nothing was looked for yet: run <code>renewd discover</code>, or set <code>discovery.every</code>.`
        : "Discovery has found no certificate."
    }</p>`;
  if (page.rows.length === 0)
    return html`<p class="empty">None of ${formatNumber(page.all)} certificates fits. <a
      href="/inventory">Show all</a></p>`;
  return html`<table class="list">
    <thead><tr>${columnHeading(view, "worst", "Managed")}${columnHeading(view, "name", "Certificate")}
      ${columnHeading(view, "ends", "Ends")}<th scope="col">Places</th>
      ${columnHeading(view, "seen", "First seen", "down")}</tr></thead>
    <tbody>${page.rows.map((row) => line(row, now))}</tbody></table>`;
}

function line(row: InventoryRow, now: number): Html {
  const { fingerprint, issuer, notAfter, places, firstSeen } = row;
  return html`<tr>
    <td data-label="Managed">${managed(row)}</td>
    <th scope="row" data-label="Certificate"><a href="${pathOf("inventory", fingerprint)}">${foreign(namesText(row))}</a>
      <small>${foreign(issuer)} · <code>${fingerprint.slice(0, DIGITS)}</code></small></th>
    <td data-label="Ends">${relative(Date.parse(notAfter), now)}</td>
    <td data-label="Places">${places
      .slice(0, PLACES_SHOWN_MAX)
      .map(({ place, source }) => html`${foreign(place)} <small>${source}</small>`)}${
      places.length > PLACES_SHOWN_MAX
        ? html`<small>and ${formatNumber(places.length - PLACES_SHOWN_MAX)} more</small>`
        : NOTHING
    }</td>
    <td data-label="First seen">${relative(Date.parse(firstSeen), now)}</td>
  </tr>`;
}

function managed({ management, certificate, ignored }: InventoryRow): Html {
  if (management === "managed" && certificate !== null)
    return html`<a href="${certificateHref(certificate)}">${foreign(certificate)}</a>`;
  if (management === "watched") return tag("watched");
  if (ignored === null) return pill({ word: "by nobody", icon: "!", tone: "warn" });
  return html`${tag("ignored")} <small>${foreign(ignored.reason)}, until ${instant(Date.parse(ignored.until))}</small>`;
}

function namesText({ names, subject }: InventoryRow): string {
  if (names.length === 0) return subject === "" ? "without a name" : subject;
  const more = names.length > NAMES_SHOWN_MAX ? ` and ${names.length - NAMES_SHOWN_MAX} more` : "";
  return `${names.slice(0, NAMES_SHOWN_MAX).join(", ")}${more}`;
}

/** When each source was last asked, and what it could not see. */
function looks(runs: readonly DiscoveryRunEntry[], now: number): Html {
  if (runs.length === 0) return NOTHING;
  return html`<section class="panel"><h2>Last looks</h2><ul class="rows">${runs.map(
    ({ source, finishedAt, found, problems }) => html`<li><b>${source}</b> ${relative(Date.parse(finishedAt), now)}:
      ${formatNumber(found)} ${plural(found, "certificate")}${
        problems.length === 0
          ? NOTHING
          : html`<details><summary>${formatNumber(problems.length)} ${plural(problems.length, "problem")}</summary>
            <ul>${problems.map((problem) => html`<li>${foreign(problem)}</li>`)}</ul></details>`
      }</li>`,
  )}</ul></section>`;
}

/** One certificate: where it is, where else its key is, and how it becomes managed or ignored. */
export async function foundPage(facts: PageFacts, fingerprint: string): Promise<Html> {
  const { web, now } = facts;
  const report = await keyInInventory(web, fingerprint).catch((thrown: unknown): InventoryKeyReport => {
    const { code, message } = toRenewalError(thrown);
    if (code !== "request.invalid") throw thrown;
    throw new HttpProblem(404, message, { action: "See the inventory." });
  });
  const row = report.certificates.find((each) => each.fingerprint.startsWith(fingerprint.toLowerCase()));
  if (row === undefined) throw new HttpProblem(404, "the inventory has no such certificate");
  const { snippet } = await adoptFound({ store: web.renewal.store }, row.fingerprint, adoptableOf(web.config()));
  return layout(facts, {
    title: namesText(row),
    body: html`${heading(namesText(row), managed(row))}
      <section class="panel"><dl class="facts">
        <div><dt>Names</dt><dd>${foreign(row.names.join(", "))}</dd></div>
        <div><dt>Issuer</dt><dd>${foreign(row.issuer)}</dd></div>
        <div><dt>Valid</dt><dd>${instant(Date.parse(row.notBefore))} – ${instant(Date.parse(row.notAfter))}</dd></div>
        <div><dt>Key</dt><dd>${foreign(row.keyType)}</dd></div>
        <div><dt>Serial</dt><dd><code>${foreign(row.serial)}</code></dd></div>
        <div><dt>SHA-256</dt><dd><code>${row.fingerprint}</code></dd></div>
      </dl></section>
      ${places(row, now)} ${sameKey(report, row)} ${row.management === "managed" ? NOTHING : decisions(row, snippet)}`,
  });
}

function places({ places: all }: InventoryRow, now: number): Html {
  return html`<section class="panel"><h2>Where it was seen</h2><table class="list"><thead><tr><th scope="col">Place</th>
    <th scope="col">Found by</th><th scope="col">First seen</th><th scope="col">Last seen</th></tr></thead>
    <tbody>${all.map(
      ({ place, source, firstSeen, lastSeen }) => html`<tr><th scope="row" data-label="Place">${foreign(place)}</th>
        <td data-label="Found by">${source}</td>
        <td data-label="First seen">${relative(Date.parse(firstSeen), now)}</td>
        <td data-label="Last seen">${relative(Date.parse(lastSeen), now)}</td></tr>`,
    )}</tbody></table></section>`;
}

function sameKey({ certificates, key }: InventoryKeyReport, row: InventoryRow): Html {
  const others = certificates.filter(({ fingerprint }) => fingerprint !== row.fingerprint);
  if (others.length === 0) return NOTHING;
  return html`<section class="panel"><h2>Others with its key</h2>
    <p>A leak of the key is about ${count(certificates.length, `/inventory?spki=${key}`, "certificates")}.</p>
    <ul class="rows">${others
      .slice(0, OTHERS_SHOWN_MAX)
      .map(
        (each) => html`<li><a href="${pathOf("inventory", each.fingerprint)}">${foreign(namesText(each))}</a></li>`,
      )}</ul></section>`;
}

const OTHERS_SHOWN_MAX = 20;

function decisions({ fingerprint, ignored }: InventoryRow, snippet: string): Html {
  const about = { subject: fingerprint, back: pathOf("inventory", fingerprint) };
  return html`<section class="panel"><h2>Adopt or ignore</h2>
    <p>Merge this into the configuration and reload renewd, and it is managed:</p>
    <pre><code>${inertLines(snippet)}</code></pre>
    <p>${
      ignored === null
        ? html`<a class="button plain" href="${actionHref("ignore-found", about)}">Ignore it …</a> where somebody else
          takes care of it.`
        : html`<a class="button plain" href="${actionHref("unignore-found", about)}">Ignore it no longer …</a>`
    }</p></section>`;
}
