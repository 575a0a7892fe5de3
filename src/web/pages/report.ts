import { html } from "hono/html";
import { iso } from "../../reports/instant.ts";
import { certificateList } from "../../reports/lists/certificateList.ts";
import { countsOf } from "../../reports/lists/list.ts";
import { type Month, type MonthReport, monthOf, monthReport } from "../../reports/month.ts";
import { actionHref } from "./actionLinks.ts";
import { CERTIFICATE_WORDS } from "./certificates.ts";
import type { PageFacts } from "./facts.ts";
import { heading, layout } from "./layout.ts";
import { auditVerdict } from "./parts/auditVerdict.ts";
import { count, foreign, formatNumber, type Html, NOTHING, plural } from "./parts/markup.ts";
import { pill, RENEWAL_LOOK } from "./parts/state.ts";
import { clockTime, day } from "./parts/time.ts";

/** A month on paper, for leads and auditors. */
export async function reportPage(facts: PageFacts): Promise<Html> {
  const { web, now, parameters, snapshot } = facts;
  const month = monthOf(parameters.get("month"), now);
  const report = await monthReport(web.renewal.store, month);
  return layout(facts, {
    title: `Report ${month.name}`,
    body: html`${heading(
      `Report ${month.name}`,
      html`${day(month.from)} to
      ${day(month.until - 1)}, UTC. Inventory as of ${clockTime(snapshot.at)}.`,
      months(month, now),
    )}
      <div class="columns">${results(report)}${failures(report)}</div>
      ${inventory(facts)} ${ready(facts)} ${await audit(facts)}`,
  });
}

function months({ from }: Month, now: number): Html {
  const other = (at: number): string => new Date(at).toISOString().slice(0, 7);
  const next = new Date(from).setUTCMonth(new Date(from).getUTCMonth() + 1);
  return html`<a class="button plain" href="/report?month=${other(from - 1)}">Month before</a>${
    next > now ? NOTHING : html` <a class="button plain" href="/report?month=${other(next)}">Month after</a>`
  }`;
}

function searched(q: string, view = ""): string {
  return `/history?q=${encodeURIComponent(q)}${view}`;
}

function results({ month, byState, unattended, succeeded, rehearsals, decisions }: MonthReport): Html {
  const span = `since:${iso(month.from)} before:${iso(month.until)}`;
  const events = (type: string): string => searched(`${span} type:${type}`, "&view=events");
  const share = succeeded === 0 ? null : Math.round((unattended / succeeded) * 100);
  return html`<section class="panel"><h2>Renewals</h2>
    ${
      byState.length === 0
        ? html`<p class="quiet">None began in this month.</p>`
        : html`<ul class="rows">
      ${byState.map(
        ({ key, count: number, q }) => html`<li>${pill(RENEWAL_LOOK[key])}
        ${count(number, searched(q))}</li>`,
      )}</ul>`
    }
    <p>${
      share === null
        ? "Nothing succeeded."
        : html`<b>${share} %</b> of those that succeeded needed nobody:
          ${count(unattended, searched(`${span} state:succeeded trigger:planner`), `of ${formatNumber(succeeded)}`)}.`
    }</p>
    <p>${count(rehearsals, events("certificate.rehearsed"), plural(rehearsals, "rehearsal"))},
      ${count(decisions, events("certificate.paused"), plural(decisions, "pause"))}.</p>
  </section>`;
}

function failures({ failures: found }: MonthReport): Html {
  return html`<section class="panel"><h2>Failures and their causes</h2>
    ${
      found.length === 0
        ? html`<p class="quiet">No renewal failed.</p>`
        : html`<ul class="rows">
      ${found.map(
        ({ key, count: number, q }) => html`<li>${count(number, searched(q))}
        <code>${foreign(key)}</code></li>`,
      )}</ul>`
    }
  </section>`;
}

function inventory({ snapshot }: PageFacts): Html {
  const { certificates } = snapshot;
  // As the list counts them, which has done so already.
  const counts = countsOf(certificateList(snapshot.at), certificates);
  const group = (title: string, key: string, words: Readonly<Record<string, string>> = {}): Html => {
    const sorted = [...(counts.get(key) ?? [])].sort(([, a], [, b]) => b - a);
    return html`<div><h3>${title}</h3><ul class="rows">
      ${sorted.map(
        ([value, number]) => html`<li>${foreign(words[value] ?? value)}
        ${count(number, `/certificates?${key}=${encodeURIComponent(value)}`)}</li>`,
      )}</ul></div>`;
  };
  return html`<section class="panel"><h2>Inventory:
    ${count(certificates.length, "/certificates", plural(certificates.length, "certificate"))}</h2>
    <div class="columns narrow">${group("By state", "state", CERTIFICATE_WORDS.state)}
      ${group("By issuer", "issuer")}${group("By lifetime", "life", CERTIFICATE_WORDS.life)}
      ${group("By key", "key")}${group("By owner", "owner")}${group("By team", "team")}</div>
  </section>`;
}

/** The lifetimes to come, by what each certificate lacks for them. */
function ready({ snapshot }: PageFacts): Html {
  const list = certificateList(snapshot.at);
  const obstacles = new Map<string, number>();
  for (const { unready } of snapshot.certificates)
    for (const each of unready) obstacles.set(each, (obstacles.get(each) ?? 0) + 1);
  const isReady = countsOf(list, snapshot.certificates).get("ready")?.get("yes") ?? 0;
  return html`<section class="panel"><h2>Ready for 100 and 47 days</h2>
    <p>${count(isReady, "/certificates?ready=yes", `of ${formatNumber(snapshot.certificates.length)}`)}
      renew without anybody: they can live 100 days from March 2027 and 47 days from March 2029.</p>
    ${
      obstacles.size === 0
        ? NOTHING
        : html`<ul class="rows">
      ${[...obstacles]
        .sort(([, a], [, b]) => b - a)
        .map(
          ([what, number]) =>
            html`<li>${count(number, `/certificates?unready=${encodeURIComponent(what)}`)} ${what}</li>`,
        )}</ul>`
    }
  </section>`;
}

async function audit({ web, now }: PageFacts): Promise<Html> {
  const [last] = await web.renewal.store.events.list({ types: ["history.audited"], limit: 1 });
  const mark = await web.renewal.store.events.mark();
  const pruned = await web.renewal.store.events.prunedTo();
  return html`<section class="panel" id="audit"><h2>Audit of the history</h2>
    ${auditVerdict(last ?? null, now)}
    <p>Every event is sealed and numbered: an audit names what was changed, removed or put back.
      <a href="${actionHref("audit", { back: "/report#audit" })}">Audit now</a>, or run
        <code>renewd audit verify</code>.</p>
    ${
      mark === null
        ? html`<p class="quiet">No sealed event yet.</p>`
        : html`<p>Newest event: <code>${mark.seq}:${mark.seal}</code><br /><span class="quiet">Keep it elsewhere:
          <code>renewd audit verify --head</code> proves later that nothing before it was changed.</span></p>`
    }
    ${pruned === 0 ? NOTHING : html`<p>Retention removed every event up to number ${formatNumber(pruned)}.</p>`}
  </section>`;
}
