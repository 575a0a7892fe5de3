import { html } from "hono/html";
import { listAlertRules, listAlerts } from "../../actions/alerts.ts";
import type { AlertEntry } from "../../reports/alerts.ts";
import { actionHref } from "./actionLinks.ts";
import type { PageFacts } from "./facts.ts";
import { advice, certificateHref, foreign, formatNumber, type Html, NOTHING } from "./parts/markup.ts";
import { responsible } from "./parts/responsibility.ts";
import { tag } from "./parts/state.ts";
import { instant, relative } from "./parts/time.ts";

const NAMED_MAX = 8;

/** What people were notified of: one entry for each cause, with who has it and who is next. */
export async function causesPanel(facts: PageFacts): Promise<Html> {
  const { alerts } = await listAlerts(facts.web, { all: false, alert: null });
  return html`<section class="panel"><h2>By cause</h2>
    ${
      alerts.length === 0
        ? html`<p class="quiet">Nobody was notified of anything that still lasts.</p>`
        : html`<ul class="rows">${alerts.map((alert) => entry(alert, facts))}</ul>`
    }</section>`;
}

function entry(alert: AlertEntry, { now, here }: PageFacts): Html {
  const { severity, what, action, certificates, firstBadAt, gone, expiresAt, acknowledged, changed, step, next } =
    alert;
  const shown = certificates.slice(0, NAMED_MAX);
  const isNew = acknowledged === null && severity === "page";
  return html`<li>
    ${gone === null ? tag(severity, isNew ? "bad" : "busy") : tag("gone")} ${foreign(what)} <code>${alert.alert}</code>
    ${
      gone === null
        ? NOTHING
        : html`<small>Gone since ${relative(Date.parse(gone.since), now)}: over
          ${relative(Date.parse(gone.overAt), now)}, unless it comes back</small>`
    }
    <small>${foreign(alert.cause)} · since ${relative(Date.parse(firstBadAt), now)}${
      expiresAt === null ? NOTHING : html` · first to expire ${relative(Date.parse(expiresAt), now)}`
    }</small>
    ${
      certificates.length < 2
        ? NOTHING
        : html`<small>${shown.map((name) => html`<a href="${certificateHref(name)}">${foreign(name)}</a> `)}${
            certificates.length > shown.length
              ? html`and ${formatNumber(certificates.length - shown.length)} more`
              : NOTHING
          }</small>`
    }
    ${alert.responsible.slice(0, NAMED_MAX).map((each) => html`<small>${responsible(each)}</small>`)}
    ${changed.length === 0 ? NOTHING : html`<small>Shortly before: ${foreign(changed.join("; "))}</small>`}
    ${action === null || gone !== null ? NOTHING : html`<small><b>What to do:</b> ${advice(action)}</small>`}
    <small>${receipts(alert)}${step === 0 ? NOTHING : html` · step ${step}`}${
      next === null
        ? NOTHING
        : html` · next ${relative(Date.parse(next.at), now)}: ${foreign(next.channels.join(", "))}`
    }</small>
    <small>${
      acknowledged === null
        ? html`<a href="${actionHref("take-alert", { subject: alert.alert, back: here })}">acknowledge</a>`
        : html`taken on by ${foreign(acknowledged.by ?? "somebody")} ${instant(Date.parse(acknowledged.at))}:
          ${foreign(acknowledged.reason)} · <a
            href="${actionHref("leave-alert", { subject: alert.alert, back: here })}">give back</a>`
    }</small></li>`;
}

const WAITS = { openAfter: "it may pass: nobody is notified yet", quietHours: "waits for the end of the quiet hours" };

function receipts({ receipts: sent, waits }: AlertEntry): Html {
  if (waits !== null) return html`${WAITS[waits]}`;
  if (sent.length === 0) return html`no channel has taken it yet`;
  return html`${sent.map(
    ({ channel, at, outcome, error }, i) =>
      html`${i === 0 ? "" : ", "}${foreign(channel)} ${
        outcome === "sent" ? "at" : "gave up at"
      } ${instant(Date.parse(at))}${error === null ? NOTHING : html` (${foreign(error)})`}`,
  )}`;
}

/** When each rule last fired: a rule that cannot fire is no alert. */
export async function rulesPanel({ web, now }: PageFacts): Promise<Html> {
  const { rules } = await listAlertRules(web);
  const ordered = rules.toSorted((a, b) => (b.lastFiredAt ?? "").localeCompare(a.lastFiredAt ?? ""));
  const fired = rules.filter(({ lastFiredAt }) => lastFiredAt !== null).length;
  return html`<section class="panel"><h2>What people are notified of</h2>
    <details><summary>${fired} of ${rules.length} rules have fired</summary>
    <ul class="rows">
      ${ordered.map(
        ({ rule, when, severity, lastFiredAt }) =>
          html`<li><code>${rule}</code> ${when} <span class="quiet">up to ${severity} · ${
            lastFiredAt === null ? "never" : html`last ${relative(Date.parse(lastFiredAt), now)}`
          }</span></li>`,
      )}</ul>
    <p class="quiet">Try one: <code>renewd alerts test RULE</code>.</p></details>
  </section>`;
}
