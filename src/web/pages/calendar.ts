import { html } from "hono/html";
import { freezesOf, WEEKS, type Week, weeklyLoad, weeksOf } from "../../reports/calendar.ts";
import { CALENDAR_FEED_PATH } from "../auth/session.ts";
import { calendarToken } from "../calendarFeed.ts";
import type { PageFacts } from "./facts.ts";
import { horizonPanel } from "./horizon.ts";
import { heading, layout } from "./layout.ts";
import { count, foreign, formatNumber, type Html, NOTHING, plural } from "./parts/markup.ts";
import { day, instant } from "./parts/time.ts";

const BAR = 20;
const HEIGHT = 100;

/** How many renewals each week brings, and how many it would with shorter lifetimes. */
export async function calendarPage(facts: PageFacts): Promise<Html> {
  const { snapshot, web, now } = facts;
  const freezes = freezesOf(web.estate().certificates, now);
  const weeks = weeksOf(snapshot.certificates, freezes, now);
  const weekly = ceiling(facts);
  return layout(facts, {
    title: "Calendar",
    body: html`${heading(
      "Calendar",
      `What the next ${WEEKS} weeks bring.`,
      html`<a class="button plain"
      href="/calendar.ics" download>Calendar file</a>
      <a class="button plain" href="${CALENDAR_FEED_PATH}?token=${calendarToken(web)}">Feed to subscribe to</a>`,
    )}
      <section class="panel">${picture(weeks, weekly)}
        <p class="legend quiet"><span class="pill busy">renewals</span> <span
          class="pill warn">expiries if nothing were renewed</span>${
            weekly === null ? NOTHING : ` the CA's account limit allows ${formatNumber(weekly)} orders a week`
          }</p>
      </section>
      ${readiness(facts)}
      <div class="columns">${table(weeks)}${freezeList(freezes)}</div>
      ${await horizonPanel(facts)}`,
  });
}

/** What the account limit of the issuers together allows in a week; null: nothing is limited. */
function ceiling({ web }: PageFacts): number | null {
  const limits = [...web.config().issuers.keys()].map((name) => web.estate().budget(name).limits.ordersPerAccount);
  if (limits.length === 0 || limits.some((limit) => limit === undefined)) return null;
  const weekMs = 7 * 86_400_000;
  return Math.floor(
    limits.reduce((sum, limit) => sum + (limit === undefined ? 0 : (limit.max * weekMs) / limit.windowMs), 0),
  );
}

function picture(weeks: readonly Week[], weekly: number | null): Html {
  const most = Math.max(1, ...weeks.flatMap(({ renews, expires }) => [renews, expires]));
  const y = (number: number): number => Math.round((number / most) * HEIGHT * 10) / 10;
  const bar = (number: number, x: number, tone: string, href: string, label: string): Html =>
    number === 0
      ? NOTHING
      : html`<a href="${href}" data-count="${number}" aria-label="${label}"><title>${label}</title><rect
        class="bar-${tone}" x="${x}" y="${HEIGHT - y(number)}" width="8" height="${y(number)}" /></a>`;
  return html`<svg class="weeks" viewBox="0 0 ${weeks.length * BAR} ${HEIGHT + 2}" preserveAspectRatio="none"
    role="group" aria-label="Renewals and expiries by week">
    ${weeks.map(({ week, renews, expires, freezes }, index) => {
      const x = index * BAR + 1;
      const renewing = `${renews} ${plural(renews, "renewal")} in ${week}`;
      const expiring = `${expires} ${plural(expires, "expiry", "expiries")} in ${week}`;
      return html`${
        freezes.length === 0
          ? NOTHING
          : html`<rect class="freeze" x="${index * BAR}" y="0" width="${BAR}"
            height="${HEIGHT}"><title>${foreign(`freeze: ${freezes.join(", ")}`)}</title></rect>`
      }
        ${bar(renews, x, "busy", `/certificates?renewsWeek=${week}`, renewing)}
        ${bar(expires, x + 9, "warn", `/certificates?expiresWeek=${week}`, expiring)}`;
    })}
    ${
      weekly === null || weekly > most
        ? NOTHING
        : html`<line class="bar-line" x1="0" x2="${weeks.length * BAR}" y1="${HEIGHT - y(weekly)}"
          y2="${HEIGHT - y(weekly)}" />`
    }
    <line x1="0" x2="${weeks.length * BAR}" y1="${HEIGHT + 0.5}" y2="${HEIGHT + 0.5}" />
  </svg>`;
}

/** The lifetimes that the CA/Browser Forum has decided: 100 days from March 2027, 47 from March 2029. */
function readiness({ snapshot }: PageFacts): Html {
  const { certificates } = snapshot;
  if (certificates.length === 0) return NOTHING;
  const loads = [
    ["as it is", 10_000],
    ["as 100 days, from March 2027", 100],
    ["as 47 days, from March 2029", 47],
  ] as const;
  const unready = certificates.filter((row) => row.unready.length > 0).length;
  return html`<section class="panel"><h2>Renewals with shorter lifetimes</h2>
    <ul class="rows">
      ${loads.map(
        ([words, days]) => html`<li>${words}: <b>about
        ${formatNumber(Math.ceil(weeklyLoad(certificates, days)))}</b> a week</li>`,
      )}</ul>
    <p>${
      unready === 0
        ? html`Every certificate is ready for 47 days.`
        : html`${count(unready, "/certificates?ready=no", `${plural(unready, "certificate")} cannot do 47 days`)} yet.`
    }</p>
  </section>`;
}

function table(weeks: readonly Week[]): Html {
  const shown = weeks.filter(({ renews, expires, freezes }) => renews + expires + freezes.length > 0);
  return html`<section class="panel"><h2>Weeks</h2>
    ${
      shown.length === 0
        ? html`<p class="quiet">Nothing is planned.</p>`
        : html`<table class="list"><thead><tr><th scope="col">Week of</th><th scope="col">Renewals</th>
          <th scope="col">Expiries</th><th scope="col">Freeze</th></tr></thead>
      <tbody>${shown.map(
        ({
          from,
          week,
          renews,
          expires,
          freezes,
        }) => html`<tr><th scope="row" data-label="Week of">${day(from)} <small>${week}</small></th>
        <td data-label="Renewals">${renews === 0 ? "–" : count(renews, `/certificates?renewsWeek=${week}`)}</td>
        <td data-label="Expiries">${expires === 0 ? "–" : count(expires, `/certificates?expiresWeek=${week}`)}</td>
        <td data-label="Freeze">${foreign(freezes.join(", "))}</td></tr>`,
      )}</tbody></table>`
    }
  </section>`;
}

function freezeList(freezes: ReturnType<typeof freezesOf>): Html {
  return html`<section class="panel"><h2>Freezes</h2>
    ${
      freezes.length === 0
        ? html`<p class="quiet">None is configured. Urgent renewals would go through one all the same.</p>`
        : html`<ul class="rows">
          ${freezes.map(
            ({ from, until, reason, certificates }) => html`<li>${instant(from)} to ${instant(until)} <span
            class="quiet">${foreign(reason)}, for ${formatNumber(certificates)}
              ${plural(certificates, "certificate")}</span></li>`,
          )}</ul>`
    }
  </section>`;
}
