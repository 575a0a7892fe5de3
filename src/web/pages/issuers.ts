import { html } from "hono/html";
import { iso } from "../../reports/instant.ts";
import { BOARD_MS, type Gauge, issuerBoard } from "../../reports/issuerBoard.ts";
import { HttpProblem } from "../problem.ts";
import { actionHref } from "./actionLinks.ts";
import type { PageFacts } from "./facts.ts";
import { heading, layout } from "./layout.ts";
import { count, foreign, formatNumber, type Html, NOTHING, pathOf } from "./parts/markup.ts";
import { renewalTable } from "./parts/renewals.ts";
import { tag } from "./parts/state.ts";
import { relative, short } from "./parts/time.ts";

/** How each CA has served lately, and how much of its limits is left. */
export async function issuersPage(facts: PageFacts): Promise<Html> {
  const { web, now } = facts;
  const names = [...web.config().issuers.keys()];
  const since = now - BOARD_MS;
  const cards: Html[] = [];
  for (const name of names) cards.push(await card(facts, name, since));
  return layout(facts, {
    title: "Issuers",
    body: html`${heading(
      "Issuers",
      html`The last ${Math.round(BOARD_MS / 86_400_000)}
      days, and what each CA allows now.`,
    )}
      ${
        cards.length === 0
          ? html`<p class="empty">No issuer is configured.</p>`
          : html`<div class="columns">${cards}</div>`
      }`,
  });
}

/** One issuer: its card, what went wrong there lately, and what it is configured as. */
export async function issuerPage(facts: PageFacts, name: string): Promise<Html> {
  const { web, now, here } = facts;
  const configured = web.config().issuers.get(name);
  if (configured === undefined)
    throw new HttpProblem(404, `"${name.slice(0, 100)}" is no issuer of the configuration`, {
      action: "See the list of issuers.",
    });
  const { store } = web.renewal;
  const since = now - BOARD_MS;
  const filter = { issuers: [name], since, states: ["failed", "held", "rolledBack"] } as const;
  const failed = await store.search.renewals(filter, { limit: FAILED_SHOWN, after: null });
  const q = `issuer:${/\s/.test(name) ? `"${name}"` : name} since:${iso(since)}`;
  return layout(facts, {
    title: name,
    body: html`${heading(
      name,
      html`The last ${Math.round(BOARD_MS / 86_400_000)} days, and what it allows now.`,
      html`<a class="button plain"
        href="${actionHref("replace", { issuer: name, back: here })}">Replace its certificates</a>`,
    )}
      ${await card(facts, name, since)}
      <section class="panel"><h2>What did not succeed</h2>
        ${
          failed.length === 0
            ? html`<p class="quiet">Every renewal succeeded, or none ended.</p>`
            : renewalTable(failed, now, { withCertificate: true })
        }
        <p><a href="/history?q=${encodeURIComponent(q)}">every renewal of it</a></p></section>`,
  });
}

const FAILED_SHOWN = 20;

async function card({ web, snapshot, now }: PageFacts, name: string, since: number): Promise<Html> {
  const configured = web.config().issuers.get(name);
  const board = await issuerBoard(web.renewal.store, name, web.estate().budget(name), snapshot, { since, now });
  const { succeeded, failed, p95Ms, gauges, windowsIgnored } = board;
  const own = snapshot.certificates.filter(({ issuer }) => issuer === name);
  const of = `/certificates?issuer=${encodeURIComponent(name)}`;
  const token = /\s/.test(name) ? `"${name}"` : name;
  const searched = (state: string): string =>
    `/history?q=${encodeURIComponent(`issuer:${token} since:${iso(since)} state:${state}`)}`;
  const ended = succeeded + failed;
  return html`<section class="panel">
    <div class="card-head"><h2><a href="${pathOf("issuers", name)}">${foreign(name)}</a></h2>${
      configured?.distrusted ? tag("distrusted", "bad") : NOTHING
    }</div>
    <p class="quiet"><code>${foreign(configured?.directory ?? "")}</code></p>
    <dl class="facts">
      <div><dt>Certificates</dt><dd>${count(own.length, of)}</dd></div>
      <div><dt>Succeeded</dt><dd>${count(succeeded, searched("succeeded"))}</dd></div>
      <div><dt>Failed</dt><dd>${count(failed, searched("failed"))}</dd></div>
      <div><dt>Success</dt><dd>${ended === 0 ? "nothing ended" : `${Math.round((succeeded / ended) * 100)} %`}</dd>
        </div>
      <div><dt>Due to proved, 95 of 100 within</dt><dd>${p95Ms === null ? "–" : short(p95Ms)}</dd></div>
      <div><dt>Profiles</dt><dd>${profiles(snapshot, name)}</dd></div>
      <div><dt>CA windows followed</dt><dd>${ari(own.filter(({ life }) => life?.suggested != null).length, of)}</dd>
        </div>
      <div><dt>Staging, for rehearsals</dt>
        <dd>${configured?.staging == null ? "none known" : html`<code>${foreign(configured.staging)}</code>`}</dd></div>
    </dl>
    ${
      windowsIgnored === 0
        ? NOTHING
        : html`<p class="bad-text">Its renewal windows make no sense and are ignored: see the alerts.</p>`
    }
    ${limits(gauges, now)}
    <p class="buttons"><a class="button plain"
      href="${actionHref("replace", { issuer: name, back: "/issuers" })}">Replace its certificates</a></p>
  </section>`;
}

function ari(number: number, of: string): Html {
  return count(number, `${of}&ari=yes`);
}

function profiles({ examined }: PageFacts["snapshot"], name: string): string {
  const found = new Set(
    examined
      .filter(({ member }) => member.certificate.issuer === name)
      .map(({ member }) => member.certificate.profile ?? "the CA's default"),
  );
  return found.size === 0 ? "–" : foreign([...found].join(", "));
}

function limits(gauges: readonly Gauge[], now: number): Html {
  if (gauges.length === 0) return html`<p class="quiet">It is not known to limit anything.</p>`;
  return html`<ul class="rows">${gauges.map(
    ({ limit, left, max, fullAt }) => html`<li>
      <svg class="gauge" viewBox="0 0 100 8" preserveAspectRatio="none" role="img"
        aria-label="${left} of ${max} left"><rect class="life-rest" width="100" height="8" rx="3" /><rect class="${
          left / max < 0.1 ? "life-bad" : left / max < 0.3 ? "life-warn" : "life-run"
        }" width="${Math.round((left / max) * 100)}" height="8" rx="3" /></svg>
      ${formatNumber(left)} of ${formatNumber(max)} left <small>${foreign(limit)}${
        fullAt === null ? NOTHING : html`, full again ${relative(fullAt, now)}`
      }</small>
    </li>`,
  )}</ul>`;
}
