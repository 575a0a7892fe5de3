import { html } from "hono/html";
import { DAY_MS } from "../../domain/time.ts";
import type { AlertRow } from "../../reports/lists/alertList.ts";
import type { CauseRow } from "../../reports/lists/causeList.ts";
import type { CertificateRow } from "../../reports/lists/certificateRow.ts";
import { certificateCount } from "../../reports/snapshot.ts";
import { actionHref } from "./actionLinks.ts";
import { channelHref } from "./channels.ts";
import type { PageFacts } from "./facts.ts";
import { heading, layout } from "./layout.ts";
import { ownHealth } from "./ownHealth.ts";
import { lifeBar } from "./parts/lifeBar.ts";
import {
  advice,
  certificateHref,
  count,
  foreign,
  formatNumber,
  type Html,
  NOTHING,
  plural,
  renewalHref,
} from "./parts/markup.ts";
import { isAnswered, responsible } from "./parts/responsibility.ts";
import { CERTIFICATE_LOOK, pill, RENEWAL_LOOK, tag } from "./parts/state.ts";
import { clockTime, relative, short } from "./parts/time.ts";

/** What needs a person now, then what goes on by itself, then whether renewd itself is well. */
export async function nowPage(facts: PageFacts): Promise<Html> {
  const { snapshot } = facts;
  const told = await lastDelivery(facts);
  const causes = snapshot.causes.toSorted((a, b) => Number(b.needsPerson) - Number(a.needsPerson));
  const notices = snapshot.alerts.filter(({ about }) => about === "renewd");
  const pressing = notices.filter(({ needsPerson }) => needsPerson);
  return layout(facts, {
    title: titleOf(snapshot.alerts.filter(({ needsPerson }) => needsPerson).length),
    body: html`${heading("Now", html`${verdict(facts)}${told}`)}
      ${
        causes.length + pressing.length === 0
          ? allClear(facts)
          : html`<section class="causes" aria-label="What is wrong">
            ${pressing.map((notice) => noticeCard(notice, facts))}
            ${causes.map((cause) => causeCard(cause, facts))}
          </section>`
      }
      <div class="columns">
        ${inFlight(facts)} ${nextDay(facts)}
      </div>
      ${ownHealth(
        facts,
        notices.filter(({ needsPerson }) => !needsPerson),
      )}`,
  });
}

function titleOf(needed: number): string {
  return needed === 0 ? "All clear" : `${needed} need${needed === 1 ? "s" : ""} you`;
}

function verdict({ snapshot, now }: PageFacts): Html {
  const { summary } = snapshot.status;
  const needed = snapshot.certificates.filter(({ needsPerson }) => needsPerson).length;
  const proved = provedLive(snapshot);
  const oldest = summary.oldestProofAt === null ? null : Date.parse(summary.oldestProofAt);
  return html`${
    needed === 0
      ? NOTHING
      : html`${count(
          needed,
          "/certificates?person=yes",
          needed === 1 ? "certificate needs you" : "certificates need you",
        )} · `
  }
    ${count(summary.inFlight, "/certificates?flight=yes", "in flight")} ·
    ${count(proved, "/certificates?state=provedLive", `of ${formatNumber(summary.certificates)} proved live`)}${
      oldest === null ? NOTHING : html`, oldest proof ${relative(oldest, now)}`
    } · ${sweep(snapshot.status.processes, now)}`;
}

function provedLive({ certificates, unread }: PageFacts["snapshot"]): number {
  return certificates.filter(({ state }) => state === "provedLive").length + (unread?.provedLive ?? 0);
}

/** Whether anybody would be called at all. */
async function lastDelivery({ web, now }: PageFacts): Promise<Html> {
  if (web.config().notifications.size === 0)
    return html` · <a class="bad-text" href="/alerts">no channel calls anybody</a>`;
  const { alerts } = web.renewal.store;
  const [last] = await alerts.receipts({ limit: 1 });
  if (last === undefined) return html` · <a href="/alerts">no alert was delivered yet</a>`;
  const alert = last.alert === null ? null : await alerts.get(last.alert);
  const by = alert?.acknowledgement == null ? "" : ", acknowledged";
  return html` · <a href="${channelHref(last.channel)}">last alert
    ${last.outcome === "sent" ? "delivered" : "given up"} ${relative(last.at, now)}</a>${by}`;
}

function sweep(processes: PageFacts["snapshot"]["status"]["processes"], now: number): Html {
  const planners = processes.filter(({ role, running }) => role === "planner" && running);
  const at = Math.max(...planners.map(({ lastWorkAt }) => (lastWorkAt === null ? 0 : Date.parse(lastWorkAt))));
  if (planners.length === 0) return html`<b class="bad-text">no planner runs</b>`;
  return at <= 0 ? html`the planner has just started` : html`planner at work ${relative(at, now)}`;
}

/** Nothing done is not a success: the statement carries the time of the look. */
function allClear({ snapshot }: PageFacts): Html {
  const { certificates, status } = snapshot;
  const [proved, total] = [provedLive(snapshot), certificateCount(snapshot)];
  if (total === 0)
    return html`<section class="clear quiet-card"><p>No certificates are configured. <code>renewd init</code>
      finds those of this machine; then start <code>renewd run</code>.</p></section>`;
  const all = proved === total;
  const oldest = status.summary.oldestProofAt;
  const notProved = `of ${formatNumber(total)} not proved live`;
  return html`<section class="clear ${all ? "good-card" : "quiet-card"}">
    <p>
      ${
        all
          ? html`<span class="tick" aria-hidden="true">✓</span> All ${count(proved, "/certificates?state=provedLive")}
            proved live at ${clockTime(oldest === null ? snapshot.at : Date.parse(oldest))} UTC or later.`
          : html`Nothing is known to be wrong at ${clockTime(snapshot.at)} UTC.
            ${count(total - proved, notProvedHref(certificates), notProved)}.`
      }
    </p>
  </section>`;
}

function notProvedHref(certificates: readonly CertificateRow[]): string {
  const states = new Set(certificates.map(({ state }) => state).filter((state) => state !== "provedLive"));
  return `/certificates?${[...states].map((state) => `state=${state}`).join("&")}`;
}

function causeCard(cause: CauseRow, { snapshot, now, here }: PageFacts): Html {
  const { certificates, example, needsPerson, isAcknowledged } = cause;
  const row = snapshot.rows.get(example);
  const href = `/certificates?cause=${encodeURIComponent(cause.cause)}`;
  const others = certificates > 1;
  return html`<article class="card ${needsPerson ? "bad-card" : "warn-card"}">
    <div class="card-head">
      <h2>
        ${
          others
            ? html`${count(certificates, href, "certificates")}: `
            : html`<a href="${certificateHref(example)}" data-count="1">${foreign(example)}</a> – `
        }${foreign(cause.what)}
      </h2>
      ${
        isAcknowledged ? tag("acknowledged") : needsPerson ? tag("needs you", "bad") : tag("may heal by itself", "warn")
      }
    </div>
    ${
      cause.message === null
        ? NOTHING
        : html`<p class="message">${foreign(cause.message)}${
            cause.code === null ? NOTHING : html` <code>${foreign(cause.code)}</code>`
          }</p>`
    }
    <dl class="facts">
      <div><dt>${others ? "Soonest expiry" : "Expires"}</dt>
        <dd>${relative(cause.soonestExpiry, now, "never issued")}${
          others ? html` · <a href="${certificateHref(example)}">${foreign(example)}</a>` : NOTHING
        }</dd></div>
      <div><dt>Runway</dt><dd>${row === undefined ? NOTHING : lifeBar(row.clientsLife ?? row.life, now)}</dd></div>
      <div><dt>Tried</dt>
        <dd>${tried(cause, now)}</dd></div>
      <div><dt>Next</dt>
        <dd>${foreign(cause.next)}${cause.nextAt === null ? NOTHING : html`, ${relative(cause.nextAt, now)}`}</dd></div>
    </dl>
    ${cause.action === "" ? NOTHING : html`<p class="todo"><b>What to do:</b> ${advice(cause.action)}</p>`}
    ${
      row === undefined || !isAnswered(row.responsibility)
        ? NOTHING
        : html`<p class="responsible">${responsible(row.responsibility)}</p>`
    }
    <p class="buttons">
      ${
        others
          ? html`<a class="button" href="${href}">See all ${formatNumber(certificates)}</a>`
          : retryOrResume(row, here)
      }
      ${
        cause.renewalId === null
          ? NOTHING
          : html`<a class="button plain" href="${renewalHref(cause.renewalId)}">${
              others ? "One renewal" : "Its renewal"
            }</a>`
      }
      ${
        others || isAcknowledged
          ? NOTHING
          : html`<a class="button plain"
            href="${actionHref("acknowledge", { subject: [example], back: here })}">Acknowledge</a>`
      }
    </p>
  </article>`;
}

function retryOrResume(row: CertificateRow | undefined, back: string): Html {
  if (row === undefined) return NOTHING;
  const isWaiting = row.waitingOn === "person" || row.waitingOn === "paused";
  return html`<a class="button" href="${actionHref(isWaiting ? "resume" : "retry", {
    certificate: [row.certificate],
    back,
  })}">${isWaiting ? "Resume" : "Try again now"}</a>`;
}

function noticeCard(
  { subject, what, action, needsPerson, acknowledged, certificates }: AlertRow,
  { here }: PageFacts,
): Html {
  return html`<article class="card ${needsPerson ? "bad-card" : "quiet-card"}">
    <div class="card-head"><h2 class="sentence">${foreign(what)}</h2>
      ${needsPerson ? tag("needs you", "bad") : tag("for your information")}</div>
    <p class="todo"><b>What to do:</b> ${advice(action)}</p>
    ${
      certificates.length === 0
        ? NOTHING
        : html`<p>${certificates.map((name) => html`<a href="${certificateHref(name)}">${foreign(name)}</a> `)}</p>`
    }
    ${
      needsPerson && acknowledged === null
        ? html`<p class="buttons"><a class="button plain"
          href="${actionHref("acknowledge", { subject: [subject], back: here })}">Acknowledge</a></p>`
        : NOTHING
    }
  </article>`;
}

const SHOWN = 8;

function tried({ attempts, lastTriedAt }: CauseRow, now: number): Html {
  if (lastTriedAt === null) return html`not yet`;
  const count = attempts === 0 ? NOTHING : html`${attempts} ${plural(attempts, "attempt")} in the last renewal, `;
  return html`${count}last ${relative(lastTriedAt, now)}`;
}

function inFlight({ snapshot, now }: PageFacts): Html {
  const { inFlight: running } = snapshot.status;
  return html`<section class="panel">
    <h2>In flight ${count(running.length, "/certificates?flight=yes")}</h2>
    ${
      running.length === 0
        ? html`<p class="quiet">No renewal is in flight at ${clockTime(snapshot.at)} UTC.</p>`
        : html`<ul class="rows">${running.slice(0, SHOWN).map((each) => {
            const stage = Object.hasOwn(RENEWAL_LOOK, each.stage)
              ? pill(RENEWAL_LOOK[each.stage as keyof typeof RENEWAL_LOOK])
              : tag(each.stage);
            return html`<li>
            <a href="${renewalHref(each.renewalId)}">${foreign(each.certificate)}</a> ${stage}
            <span class="quiet">${each.targetsDeployed}/${each.targets} deployed ·
              ${each.endpointsProved}/${each.endpoints} proved · ${short(each.ageMs)}${
                each.workersDied === 0 ? NOTHING : html` · ${each.workersDied} workers died at it`
              }${
                each.waitingUntil === null ? NOTHING : html` · goes on ${relative(Date.parse(each.waitingUntil), now)}`
              }</span>
          </li>`;
          })}</ul>`
    }
  </section>`;
}

function nextDay({ snapshot, now }: PageFacts): Html {
  const soon = snapshot.certificates
    .filter(({ next, inFlight }) => !inFlight && next.at !== null && next.at - now < DAY_MS)
    .sort((a, b) => (a.next.at ?? 0) - (b.next.at ?? 0));
  return html`<section class="panel">
    <h2>Next 24 hours</h2>
    ${
      snapshot.unread !== null
        ? html`<p class="quiet">Known as soon as all certificates are read.</p>`
        : soon.length === 0
          ? html`<p class="quiet">Nothing is planned until ${clockTime(now + DAY_MS)} UTC tomorrow.</p>`
          : html`<ul class="rows">${soon.slice(0, SHOWN).map(
              ({ certificate, next, state }) => html`<li>
            ${relative(next.at, now)} <a href="${certificateHref(certificate)}">${foreign(certificate)}</a>
            <span class="quiet">${foreign(next.what)}</span> ${
              state === "provedLive" ? NOTHING : pill(CERTIFICATE_LOOK[state])
            }
          </li>`,
            )}</ul>`
    }
    ${soon.length > SHOWN ? html`<p><a href="/certificates?sort=next">All by next attempt</a></p>` : NOTHING}
  </section>`;
}
