import { html } from "hono/html";
import type { Version } from "../../domain/version.ts";
import type { CertificateRow } from "../../reports/lists/certificateRow.ts";
import { actionHref } from "./actionLinks.ts";
import type { PageFacts } from "./facts.ts";
import { certificateHref, foreign, type Html, NOTHING } from "./parts/markup.ts";
import { instant, relative } from "./parts/time.ts";

/** Every pair that was issued, what changed from one to the next, and the difference between any two. */
export function generations(versions: readonly Version[], { certificate }: CertificateRow, facts: PageFacts): Html {
  const { now, here } = facts;
  if (versions.length === 0) return NOTHING;
  return html`<section class="panel" id="generations"><h2>Generations</h2>
    <table class="list"><thead><tr><th scope="col">Generation</th><th scope="col">Serial</th><th scope="col">Issued</th>
      <th scope="col">Valid until</th><th scope="col">First proved</th><th scope="col">Changed</th>
      <th scope="col"><span class="visually-hidden">Action</span></th></tr></thead>
    <tbody>${versions.toReversed().map((version, index, all) => {
      const isUsable = version.leaf.notAfter > now && version.revokedAt === null && index > 0;
      const { generation } = version;
      const again = actionHref("deploy", { certificate: [certificate], generation: String(generation), back: here });
      return html`<tr><th scope="row" data-label="Generation">${generation}</th>
        <td data-label="Serial"><code>${foreign(version.leaf.serial)}</code></td>
        <td data-label="Issued">${relative(version.createdAt, now)} <small>${foreign(version.issuer)}</small></td>
        <td data-label="Valid until">${relative(version.leaf.notAfter, now)}</td>
        <td data-label="First proved">${firstProved(version, now)}</td>
        <td data-label="Changed"><small>${changed(version, all[index + 1])}</small></td>
        <td>${isUsable ? html`<a href="${again}">deploy again</a>` : NOTHING}</td></tr>`;
    })}</tbody></table>
    ${versions.length < 2 ? NOTHING : comparison(versions, certificate, facts)}</section>`;
}

function firstProved({ revokedAt, verifiedAt }: Version, now: number): Html {
  if (revokedAt === null) return relative(verifiedAt, now, "never");
  return html`<b class="bad-text">revoked ${relative(revokedAt, now)}</b>`;
}

function changed(version: Version, before: Version | undefined): string {
  if (before === undefined) return "first";
  const { added, removed } = namesChanged(before, version);
  const parts = [
    ...added.map((name) => `+${name}`),
    ...removed.map((name) => `−${name}`),
    version.keyType === before.keyType ? "" : `${before.keyType} → ${version.keyType}`,
    version.issuer === before.issuer ? "" : `${before.issuer} → ${version.issuer}`,
  ].filter((part) => part !== "");
  return parts.length === 0 ? "same names, key type and issuer" : foreign(parts.join(", "));
}

function namesChanged(before: Version, after: Version): { added: string[]; removed: string[] } {
  const of = ({ leaf }: Version): string[] => leaf.identifiers.map(({ value }) => value);
  return {
    added: of(after).filter((name) => !of(before).includes(name)),
    removed: of(before).filter((name) => !of(after).includes(name)),
  };
}

/** Any two, chosen in the URL: `?from=3&to=7`. */
function comparison(versions: readonly Version[], certificate: string, { parameters }: PageFacts): Html {
  const chosen = (key: string): Version | undefined =>
    versions.find(({ generation }) => String(generation) === parameters.get(key));
  const [from, to] = [chosen("from") ?? versions.at(-2), chosen("to") ?? versions.at(-1)];
  if (from === undefined || to === undefined) return NOTHING;
  const select = (key: string, label: string, current: Version): Html =>
    html`<label>${label} <select name="${key}">${versions
      .toReversed()
      .map(
        ({ generation }) =>
          html`<option${generation === current.generation ? html` selected` : NOTHING}>${generation}</option>`,
      )}</select></label>`;
  const isAsked = parameters.has("from") || parameters.has("to");
  return html`<details class="compare"${isAsked ? html` open` : NOTHING}><summary>Difference between two</summary>
    <form method="get" action="${certificateHref(certificate)}#generations">
      ${select("from", "Generation", from)} ${select("to", "and", to)} <button class="button plain">Compare</button>
    </form>
    <table class="list"><thead><tr><th scope="col"><span class="visually-hidden">Of</span></th>
      <th scope="col">Generation ${from.generation}</th><th scope="col">Generation ${to.generation}</th></tr></thead>
      <tbody>${differences(from, to)}</tbody></table></details>`;
}

function differences(from: Version, to: Version): Html {
  const { added, removed } = namesChanged(from, to);
  const chain = ({ chainPem, leaf }: Version): string => `${leaf.issuerName}, ${chainPem.length} behind the leaf`;
  const of = (each: Version, own: readonly string[]): string =>
    own.length === 0 ? `${each.leaf.identifiers.length} names, the same` : `only here: ${own.join(", ")}`;
  const rows: [string, string | Html, string | Html][] = [
    ["Names", of(from, removed), of(to, added)],
    ["Serial", from.leaf.serial, to.leaf.serial],
    ["Issuer", from.issuer, to.issuer],
    ["Signed by", chain(from), chain(to)],
    ["Key", from.keyType, to.keyType],
    ["Valid from", instant(from.leaf.notBefore), instant(to.leaf.notBefore)],
    ["Valid until", instant(from.leaf.notAfter), instant(to.leaf.notAfter)],
    ["SHA-256", from.leaf.fingerprint, to.leaf.fingerprint],
  ];
  const cell = (value: string | Html): string | Html => (typeof value === "string" ? foreign(value) : value);
  return html`${rows.map(
    ([what, before, after]) => html`<tr><th scope="row" data-label="Of">${what}</th>
      <td data-label="Generation ${from.generation}">${cell(before)}</td>
      <td data-label="Generation ${to.generation}">${
        before === after ? html`<span class="quiet">the same</span>` : cell(after)
      }</td></tr>`,
  )}`;
}
