import { html } from "hono/html";
import { type Evidence, placeOfKey } from "../../domain/endpoint.ts";
import type { ObservedAddress } from "../../domain/store.ts";
import { DAY_MS } from "../../domain/time.ts";
import type { Version } from "../../domain/version.ts";
import type { EndpointRow } from "../../reports/lists/endpointList.ts";
import { proofStrips, STRIP_DAYS } from "../../reports/proofStrip.ts";
import { readLeaf } from "../../x509/leaf.ts";
import { HttpProblem } from "../problem.ts";
import { actionHref } from "./actionLinks.ts";
import type { PageFacts } from "./facts.ts";
import { heading, layout } from "./layout.ts";
import { certificateHref, foreign, type Html, NOTHING, pathOf, plural } from "./parts/markup.ts";
import { isAnswered, responsible } from "./parts/responsibility.ts";
import { ENDPOINT_LOOK, pill } from "./parts/state.ts";
import { strip } from "./parts/strip.ts";
import { relative } from "./parts/time.ts";
import { servedPanel } from "./watched.ts";

const PROOFS_MAX = 2_000;

/** One place where clients meet a certificate: what each of its addresses serves, since when, and how. */
export async function endpointPage(facts: PageFacts, certificate: string, endpoint: string): Promise<Html> {
  const { web, snapshot, now, here } = facts;
  const row = snapshot.endpoints.find((each) => each.certificate === certificate && each.endpoint === endpoint);
  if (row === undefined)
    throw new HttpProblem(404, "the configuration has no such endpoint", { action: "See the list of endpoints." });
  const { store } = web.renewal;
  const observed = (await store.observations.observations(certificate)).filter((each) => each.endpoint === endpoint);
  const versions = await store.versions.list(certificate);
  const proofs = await store.events.list({
    ...{ certificate, types: ["verify.converged", "verify.stale"] },
    ...{ since: now - STRIP_DAYS * DAY_MS, limit: PROOFS_MAX },
  });
  const { host, port, sni, starttls, target, proxyProtocol, vantage } = row.definition;
  return layout(facts, {
    title: `${sni}:${port}`,
    body: html`${heading(
      sni,
      html`${pill(ENDPOINT_LOOK[row.state])} ${foreign(host)}:${port} · of
        <a href="${certificateHref(certificate)}">${foreign(certificate)}</a>`,
      html`<a class="button" href="${actionHref("dial", { certificate, back: here })}">Dial now</a>`,
    )}
      ${
        isAnswered(row.responsibility)
          ? html`<p class="responsible">${responsible(row.responsibility, "/endpoints")}</p>`
          : NOTHING
      }
      ${
        row.errorMessage === null
          ? NOTHING
          : html`<p class="card bad-card">${foreign(row.errorMessage)} <code>${row.errorCode}</code></p>`
      }
      <section class="panel"><h2>The last ${STRIP_DAYS} days</h2>
        ${strip(proofStrips(proofs, now).get(endpoint)) || html`<p class="quiet">No handshake is in the history.</p>`}
        <dl class="facts">
          <div><dt>Should serve</dt><dd>generation ${row.generation}</dd></div>
          <div><dt>Last handshakes</dt><dd>${relative(row.checkedAt, now, "never")}</dd></div>
          <div><dt>Next</dt><dd>${
            row.nextDialAt === null ? "with its renewal" : relative(Math.max(now, row.nextDialAt), now)
          }</dd></div>
          <div><dt>Protocol</dt><dd>${starttls === undefined ? "TLS from the first byte" : `STARTTLS ${starttls}`}${
            proxyProtocol === undefined ? "" : `, PROXY ${proxyProtocol}`
          }</dd></div>
          ${vantage === undefined ? NOTHING : html`<div><dt>Vantage</dt><dd>${foreign(vantage)}</dd></div>`}
          <div><dt>Served from</dt><dd>${target === null ? "any of its targets" : foreign(target)}</dd></div>
        </dl></section>
      ${otherVantages(row, facts)} ${addresses(observed, versions, row, now)} ${await servedPanel(facts, row.definition)}`,
  });
}

/** The same place as other networks see it. */
function otherVantages({ certificate, endpoint }: EndpointRow, { snapshot, now }: PageFacts): Html {
  const others = snapshot.endpoints.filter(
    (each) =>
      each.certificate === certificate &&
      each.endpoint !== endpoint &&
      placeOfKey(each.endpoint) === placeOfKey(endpoint),
  );
  if (others.length === 0) return NOTHING;
  return html`<section class="panel"><h2>From other vantages</h2>
    <table class="list"><tbody>${others.map(
      ({ definition, state, checkedAt, errorMessage, endpoint: other }) => html`<tr>
        <th scope="row"><a href="${pathOf("endpoints", certificate, other)}">${foreign(
          definition.vantage ?? "",
        )}</a></th>
        <td>${pill(ENDPOINT_LOOK[state])}</td><td>${relative(checkedAt, now, "never")}</td>
        <td>${errorMessage === null ? NOTHING : html`<small class="bad-text">${foreign(errorMessage)}</small>`}</td>
        </tr>`,
    )}</tbody></table></section>`;
}

function addresses(
  observed: readonly ObservedAddress[],
  versions: readonly Version[],
  row: EndpointRow,
  now: number,
): Html {
  if (observed.length === 0)
    return html`<section class="panel"><h2>Addresses</h2><p class="quiet">None was dialled yet.</p></section>`;
  return html`<section class="panel"><h2>What each address serves</h2>
    <table class="list"><thead><tr><th scope="col">Address</th><th scope="col">Serves</th><th scope="col">Since</th>
      <th scope="col">Expires</th><th scope="col">Chain</th><th scope="col">TLS</th><th
        scope="col">Seen</th></tr></thead>
    <tbody>${observed.map(({ observation, evidence }) => {
      const { address, port, served, problem, at, protocol, cipher } = observation;
      const version = versions.find(({ leaf }) => leaf.serial === served?.serial);
      const good = evidence?.generation === row.generation ? evidence : null;
      return html`<tr>
        <th scope="row" data-label="Address"><code>${foreign(address)}:${port}</code></th>
        <td data-label="Serves">${
          served === null
            ? html`<span class="quiet">nothing</span>`
            : html`<code>${foreign(served.serial)}</code>
          <small>${version === undefined ? foreign(`of ${served.issuer}`) : `generation ${version.generation}`}${
            good === null || good.good === 0 ? "" : `, ${rowText(good)}`
          }</small>`
        }${problem === null ? NOTHING : html`<small class="bad-text">${foreign(problem.message)}</small>`}</td>
        <td data-label="Since">${relative(good?.goodSince ?? null, now, "not known")}</td>
        <td data-label="Expires">${relative(served?.notAfter ?? null, now)}</td>
        <td data-label="Chain">${served === null ? "–" : chainText(served.chain.length, version)}</td>
        <td data-label="TLS">${
          protocol === undefined
            ? html`<span class="quiet">–</span>`
            : html`${protocol} <small>${foreign(cipher ?? "")}</small>`
        }</td>
        <td data-label="Seen">${relative(at, now)}</td></tr>`;
    })}</tbody></table></section>`;
}

function rowText({ good, server, attested }: Evidence): string {
  const row = `${good} ${plural(good, "connection")} in a row`;
  if (server === undefined) return row;
  // A look at a proved endpoint does not ask again who answers.
  const shown = attested === undefined ? "" : `, as ${attested} connections showed`;
  return `${row}; process ${server} alone answered there when it was proved${shown}`;
}

function chainText(served: number, version: Version | undefined): Html {
  const behind = `${served} ${plural(served, "certificate")} behind the leaf`;
  const names = (version?.chainPem ?? []).slice(0, served).flatMap((pem) => {
    try {
      return [readLeaf(pem).issuerName];
    } catch {
      return [];
    }
  });
  const top = names.at(-1) ?? version?.leaf.issuerName;
  return html`${behind}${top === undefined ? NOTHING : html` <small>up to ${foreign(top)}</small>`}`;
}
