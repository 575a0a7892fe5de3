import { html } from "hono/html";
import { ERRORS, type ErrorClass, isErrorCode } from "../../domain/errorTable.ts";
import type { HistoryEvent } from "../../domain/event.ts";
import { isActive, type Renewal } from "../../domain/renewal.ts";
import { formatDuration, formatInstant } from "../../domain/time.ts";
import { eventError, eventSentence } from "../../reports/eventSentence.ts";
import { REASON_WORDS } from "../../reports/reasonWords.ts";
import { STAGES, type Stages, stagesOf } from "../../reports/stages.ts";
import { HttpProblem } from "../problem.ts";
import { actionHref } from "./actionLinks.ts";
import type { PageFacts } from "./facts.ts";
import { heading, layout } from "./layout.ts";
import { advice, certificateHref, count, foreign, type Html, NOTHING, plural, renewalHref } from "./parts/markup.ts";
import { isAnswered, responsible } from "./parts/responsibility.ts";
import { pill, RENEWAL_LOOK } from "./parts/state.ts";
import { clockTime, instant, relative, short } from "./parts/time.ts";
import { timeline } from "./parts/timeline.ts";

/** As `renewd show`: a renewal that goes on for longer than that has other problems. */
export const EVENTS_MAX = 2_000;

/** One renewal from the reason to the proof. */
export async function renewalPage(facts: PageFacts, id: string): Promise<Html> {
  const { web, now, parameters } = facts;
  const { store } = web.renewal;
  const renewal = await findRenewal(facts, id);
  const events = await store.events.list({ renewalId: renewal.id, limit: EVENTS_MAX });
  const stages = stagesOf(events, renewal.finishedAt ?? now);
  const version = await store.versions.get(renewal.certificate, renewal.generation).catch(() => null);
  const failures = events.filter((event) => eventError(event) !== null);
  const answers = facts.snapshot.rows.get(renewal.certificate)?.responsibility;
  const onlyFailed = parameters.get("only") === "failed";
  return layout(facts, {
    title: `${renewal.certificate} – renewal`,
    body: html`${heading(`Renewal of ${renewal.certificate}`, summary(renewal, now), actions(renewal, facts))}
      <section class="panel">
        ${events.length === 0 ? html`<p class="quiet">Retention removed its events.</p>` : timeline(stages)}
        <dl class="facts">
          <div><dt>Certificate</dt>
            <dd><a href="${certificateHref(renewal.certificate)}">${foreign(renewal.certificate)}</a>, generation
              ${renewal.generation}</dd></div>
          <div><dt>Started</dt><dd>${instant(renewal.createdAt)}</dd></div>
          <div><dt>Ended</dt><dd>${renewal.finishedAt === null ? "not yet" : instant(renewal.finishedAt)}</dd></div>
          <div><dt>Serial</dt>
            <dd>${version === null ? "issued nothing yet" : html`<code>${foreign(version.leaf.serial)}</code>`}</dd>
              </div>
          ${
            answers === undefined || !isAnswered(answers)
              ? NOTHING
              : html`<div><dt>Answers for it</dt><dd>${responsible(answers)}</dd></div>`
          }
          <div><dt>Compared</dt><dd>${await comparison(facts, renewal, stages)}</dd></div>
        </dl>
      </section>
      ${failures.length === 0 ? NOTHING : attempts(failures, now)}
      ${served(events)}
      <section class="panel" id="events">
        <h2>Events</h2>
        <p>${count(events.length, `${renewalHref(renewal.id)}#events`, plural(events.length, "event"))}
          ${
            failures.length === 0
              ? NOTHING
              : html` · ${count(failures.length, `${renewalHref(renewal.id)}?only=failed#events`, "with an error")}`
          }
          · <a href="${renewalHref(renewal.id)}/evidence.json" download>evidence as JSON</a></p>
        ${log(onlyFailed ? failures : events)}
      </section>`,
  });
}

/** By its id, or by the beginning of one that no other has. */
async function findRenewal({ web }: PageFacts, id: string): Promise<Renewal> {
  const { store } = web.renewal;
  const exact = await store.renewals.get(id);
  if (exact !== null) return exact;
  const action = "See the history: it finds renewals by the beginning of an id, too.";
  if (!/^[0-9a-f-]{8,36}$/.test(id)) throw new HttpProblem(404, "there is no renewal of this id", { action });
  const found = (await store.search.renewals({ words: [id] }, { limit: 3, after: null })).filter((each) =>
    each.id.startsWith(id),
  );
  const [only, ...others] = found;
  if (only === undefined || others.length > 0)
    throw new HttpProblem(404, `${found.length === 0 ? "no" : "more than one"} renewal's id begins with ${id}`, {
      action,
    });
  return only;
}

function summary(renewal: Renewal, now: number): Html {
  const { state, reason, reasonDetail, trigger, createdAt, finishedAt, retryAt, errorMessage } = renewal;
  const took = short((finishedAt ?? now) - createdAt);
  return html`${pill(RENEWAL_LOOK[state])} ${finishedAt === null ? `for ${took}` : `in ${took}`} ·
    ${REASON_WORDS[reason]}${trigger === "request" ? ", asked for" : ""}: ${foreign(reasonDetail)}
    ${retryAt !== null && retryAt > now ? html` · tries again ${relative(retryAt, now)}` : NOTHING}
    ${errorMessage === null ? NOTHING : html`<br /><span class="bad-text">${foreign(errorMessage)}</span>`}`;
}

function actions({ id, certificate, state }: Renewal, { here }: PageFacts): Html {
  const of = { certificate: [certificate], back: here };
  if (state === "held")
    return html`<a class="button" href="${actionHref("resume", of)}">Resume</a> <a class="button"
      href="${actionHref("rollback", of)}">Roll back</a>`;
  if (isActive(state))
    return html`<a class="button" href="${actionHref("retry", of)}">Try again now</a> ${
      state === "deploying" || state === "verifying"
        ? html`<a class="button plain" href="${actionHref("rollback", of)}">Roll back</a>`
        : NOTHING
    }`;
  // Whether another certificate is needed is the planner's to say: a target that was down needs none.
  const again =
    state === "failed" || state === "rolledBack"
      ? html`<a class="button" href="${actionHref("retry", of)}">Try again now</a>`
      : html`<a class="button plain" href="${actionHref("renew", of)}">Renew again</a>`;
  return html`${again} <a class="button plain" href="/renewals/${id}/evidence.json" download>Evidence</a>`;
}

async function comparison({ web }: PageFacts, renewal: Renewal, stages: Stages): Promise<Html> {
  const { store } = web.renewal;
  const [before] = await store.search.renewals(
    { certificate: renewal.certificate, states: ["succeeded"], before: renewal.createdAt },
    { limit: 1, after: null },
  );
  if (before === undefined) return html`no success before it`;
  const then = stagesOf(
    await store.events.list({ renewalId: before.id, limit: EVENTS_MAX }),
    before.finishedAt ?? before.createdAt,
  );
  const parts = STAGES.filter((stage) => stages.totalsMs[stage] + then.totalsMs[stage] > 0).map(
    (stage) => `${stage} ${formatDuration(stages.totalsMs[stage])} (then ${formatDuration(then.totalsMs[stage])})`,
  );
  return html`${parts.join(", ")} – <a href="${renewalHref(before.id)}">last success</a>`;
}

/** Each failure with whose fault it is and what to do. */
function attempts(failures: readonly HistoryEvent[], now: number): Html {
  return html`<section class="panel"><h2>What went wrong</h2><ul class="rows">
    ${failures.map((event) => {
      const error = eventError(event);
      const code = error?.code ?? "";
      const { attempt, retryAt } = event.detail;
      return html`<li class="failure">
        <p>${clockTime(event.at)} <b>${foreign(eventSentence(event))}</b></p>
        <p class="quiet">${typeof attempt === "number" ? `attempt ${attempt} · ` : ""}<code>${foreign(code)}</code>${
          isErrorCode(code) ? ` · ${CLASS_WORDS[ERRORS[code].class]}` : ""
        }${typeof retryAt === "number" ? html` · next ${relative(retryAt, now)}` : NOTHING}</p>
        ${error?.action == null ? NOTHING : html`<p class="todo"><b>What to do:</b> ${advice(error.action)}</p>`}
      </li>`;
    })}</ul></section>`;
}

const CLASS_WORDS: Readonly<Record<ErrorClass, string>> = {
  transient: "may go away by itself",
  rateLimited: "a limit of the CA",
  validation: "in a validation",
  caa: "a CAA record forbids it",
  target: "at the target",
  configuration: "in the configuration",
  internal: "a bug of renewd",
};

function served(events: readonly HistoryEvent[]): Html {
  const seen = events.filter(({ type }) => type === "verify.addressServed");
  if (seen.length === 0) return NOTHING;
  return html`<section class="panel"><h2>What each address served</h2>
    <table class="list"><thead><tr><th scope="col">When</th><th scope="col">Endpoint</th><th scope="col">Address</th>
      <th scope="col">Served</th></tr></thead>
    <tbody>${seen.map(
      ({
        at,
        detail,
      }) => html`<tr><td data-label="When">${clockTime(at)}</td><td data-label="Endpoint">${text(detail.endpoint)}</td>
        <td data-label="Address"><code>${text(detail.address)}</code></td>
      <td data-label="Served"><code>${text(detail.serial ?? detail.served)}</code>${
        detail.problem == null
          ? html` <small>as it should</small>`
          : html` <small class="bad-text">${text(detail.problem)}</small>`
      }</td></tr>`,
    )}</tbody></table></section>`;
}

function text(value: HistoryEvent["detail"][string] | undefined): string {
  return value === undefined || value === null ? "nothing" : foreign(String(value));
}

function log(events: readonly HistoryEvent[]): Html {
  return html`<table class="list events"><thead><tr><th scope="col">Time</th><th scope="col">After</th>
    <th scope="col">What</th><th scope="col">By</th></tr></thead>
    <tbody>${events.map(
      (event, index) => html`<tr id="event-${event.seq}">
        <td data-label="Time"><a href="#event-${event.seq}"
          title="${formatInstant(event.at)}">${clockTime(event.at)}</a></td>
        <td data-label="After" class="quiet">+${formatDuration(event.at - (events[index - 1]?.at ?? event.at))}</td>
        <td data-label="What"${
          eventError(event) === null ? NOTHING : html` class="bad-text"`
        }>${foreign(eventSentence(event))}</td>
        <td data-label="By" class="quiet">${foreign(event.worker)}</td>
      </tr>`,
    )}</tbody></table>`;
}

/** What an auditor keeps: the renewal and its events as they are in the database, which holds no secret in them. */
export async function renewalEvidence(facts: PageFacts, id: string): Promise<object> {
  const { web, now } = facts;
  const renewal = await findRenewal(facts, id);
  const events = await web.renewal.store.events.list({ renewalId: renewal.id, limit: EVENTS_MAX });
  const version = await web.renewal.store.versions.get(renewal.certificate, renewal.generation).catch(() => null);
  return {
    version: 1,
    at: formatInstant(now),
    renewal,
    leaf: version?.leaf ?? null,
    leafPem: version?.leafPem ?? null,
    events: events.map((event) => ({ ...event, what: eventSentence(event) })),
  };
}
