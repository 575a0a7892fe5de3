import { randomUUID } from "node:crypto";
import { html } from "hono/html";
import { RenewalError } from "../../domain/errors.ts";
import { certificateList } from "../../reports/lists/certificateList.ts";
import { allOf, readQuery } from "../../reports/lists/list.ts";
import { HttpProblem } from "../problem.ts";
import { ACTION_TEXTS } from "./actionPlans.ts";
import { type ActionInput, CERTIFICATES_MAX, REASON_LENGTH_MAX, readInput } from "./actions/input.ts";
import type { ActionName } from "./actions/names.ts";
import type { ActionOutcome } from "./actions/perform.ts";
import type { PlanLine } from "./actionText.ts";
import type { PageFacts } from "./facts.ts";
import { heading, layout } from "./layout.ts";
import { subjectText } from "./parts/findings.ts";
import { advice, certificateHref, foreign, formatNumber, type Html, NOTHING, renewalHref } from "./parts/markup.ts";
import { CERTIFICATE_LOOK, pill, tag } from "./parts/state.ts";

/** What the action would do, and the form that asks for a reason. Reading this page does nothing. */
export async function actionPage(
  facts: PageFacts,
  name: ActionName,
  { parameters, mistake }: Sent = { parameters: facts.parameters, mistake: null },
): Promise<Html> {
  const { input, back } = mistake === null ? readAction(facts, parameters) : readMistaken(facts, parameters);
  const text = ACTION_TEXTS[name];
  const { lines, sentence, problem, isFinal = false } = await text.plan(facts, input);
  return layout(facts, {
    title: text.title,
    live: false,
    body: html`${heading(text.title, sentence)}
      ${mistake === null ? NOTHING : html`<p class="card bad-card" role="alert">${foreign(mistake)}</p>`}
      ${problem === null ? NOTHING : html`<p class="card warn-card">${foreign(problem)}</p>`}
      ${planTable(lines, facts)}
      ${
        isFinal
          ? html`<p class="buttons"><a class="button" href="${back}">Back</a></p>`
          : form(name, { input, back, lines })
      }`,
  });
}

function form(name: ActionName, { input, back, lines }: Asked): Html {
  const text = ACTION_TEXTS[name];
  const possible = lines.filter(({ refused }) => refused === null).length;
  return html`<form class="action" method="post" action="/actions/${name}">
        <input type="hidden" name="key" value="${randomUUID()}" />
        <input type="hidden" name="back" value="${back}" />
        ${hidden("certificate", input.certificates)} ${hidden("subject", input.subjects)}
          ${hidden("target", input.targets)} ${hidden("channel", input.channels)}
        ${hidden("generation", input.generation === null ? [] : [String(input.generation)])}
        ${hidden("replacement", input.replacement.id === "" ? [] : [input.replacement.id])}
        ${text.fields?.(input) ?? NOTHING}
        <p><label for="reason">Reason${
          text.needsReason ? "" : html` <span class="quiet">(for the history)</span>`
        }</label>
          <input id="reason" name="reason" value="${input.reason}" maxlength="${REASON_LENGTH_MAX}" autocomplete="off"${
            text.needsReason ? html` required` : NOTHING
          } /></p>
        <p class="buttons"><button class="button"${
          possible === 0 && lines.length > 0 && name !== "renew" ? html` disabled` : NOTHING
        }>${text.verb}${
          possible > 1 ? ` ${formatNumber(possible)}` : ""
        }</button> <a class="button plain" href="${back}">Do nothing</a></p>
      </form>`;
}

interface Asked {
  readonly input: ActionInput;
  readonly back: string;
  readonly lines: readonly PlanLine[];
}

/** A form that was sent and refused: it is shown again as it was typed, with what is wrong. */
interface Sent {
  readonly parameters: URLSearchParams;
  /** null: it was not sent yet. */
  readonly mistake: string | null;
}

/** Fields that people type; the others come from the page before. */
const TYPED = ["until", "waves", "reason"] as const;
const WAVES_LENGTH_MAX = 255;
const UNTIL_LENGTH_MAX = 40;

function readMistaken(facts: PageFacts, parameters: URLSearchParams): { input: ActionInput; back: string } {
  const others = new URLSearchParams([...parameters].filter(([key]) => !TYPED.some((typed) => typed === key)));
  const { input, back } = readAction(facts, others);
  const typed = (key: (typeof TYPED)[number], lengthMax: number): string =>
    (parameters.get(key) ?? "").slice(0, lengthMax);
  const replacement = { ...input.replacement, wavesText: typed("waves", WAVES_LENGTH_MAX) };
  const texts = { reason: typed("reason", REASON_LENGTH_MAX), untilText: typed("until", UNTIL_LENGTH_MAX) };
  return { input: { ...input, ...texts, replacement }, back };
}

/** `select`: a query of the list of certificates, for all that it selects. */
export function readAction(facts: PageFacts, parameters: URLSearchParams): { input: ActionInput; back: string } {
  const input = readInput(parameters, facts.now);
  const select = parameters.get("select");
  const back = localPath(parameters.get("back"));
  if (select === null) return { input, back };
  const list = certificateList(facts.snapshot.at);
  const selected = allOf(list, facts.snapshot.certificates, readQuery(list, new URLSearchParams(select)));
  if (selected.length > CERTIFICATES_MAX)
    throw new RenewalError(
      "request.invalid",
      `select: ${selected.length} certificates are too many at once (${CERTIFICATES_MAX}); start a replacement instead`,
    );
  return { input: { ...input, certificates: selected.map(({ certificate }) => certificate) }, back };
}

/** Never another site: a link that somebody sent must not lead away from here after the action. */
export function localPath(text: string | null): string {
  return text !== null && text.length <= 2_000 && /^\/(?![/\\])[\x21-\x7e]*$/.test(text) ? text : "/";
}

function hidden(name: string, values: readonly string[]): Html {
  return html`${values.map((value) => html`<input type="hidden" name="${name}" value="${value}" />`)}`;
}

const LINES_SHOWN = 50;

function planTable(lines: readonly PlanLine[], { snapshot }: PageFacts): Html {
  if (lines.length === 0) return NOTHING;
  const ordered = lines.toSorted((a, b) => Number(b.refused !== null) - Number(a.refused !== null));
  return html`<section class="panel"><h2>The plan</h2>
    <table class="list"><thead><tr><th scope="col">What</th><th scope="col">Now</th><th scope="col">Then</th></tr>
      </thead>
      <tbody>${ordered.slice(0, LINES_SHOWN).map(({ subject, outcome, refused }) => {
        const row = snapshot.rows.get(subject);
        return html`<tr>
          <th scope="row" data-label="What">${
            row === undefined
              ? foreign(subjectText(subject, snapshot))
              : html`<a href="${certificateHref(subject)}">${foreign(subject)}</a>`
          }</th>
          <td data-label="Now">${row === undefined ? NOTHING : pill(CERTIFICATE_LOOK[row.state])}</td>
          <td data-label="Then">${
            refused === null ? foreign(outcome) : html`<span class="bad-text">${foreign(refused)}</span>`
          }</td></tr>`;
      })}</tbody></table>
    ${
      lines.length > LINES_SHOWN
        ? html`<p class="quiet">and ${formatNumber(lines.length - LINES_SHOWN)} more</p>`
        : NOTHING
    }
  </section>`;
}

/** What became of it, on one page: nothing to reload, nothing to search for. */
export function outcomePage(
  facts: PageFacts,
  name: ActionName,
  outcomes: readonly ActionOutcome[],
  back: string,
): Html {
  const text = ACTION_TEXTS[name];
  const refused = outcomes.filter(({ done }) => !done);
  const did = outcomes.length - refused.length;
  const sentence =
    refused.length === 0
      ? `${formatNumber(did)} done`
      : `${formatNumber(did)} done, ${formatNumber(refused.length)} not`;
  return layout(facts, {
    title: `${text.title}: ${sentence}`,
    live: false,
    body: html`${heading(text.title, outcomes.length === 1 ? NOTHING : sentence)}
      <ul class="rows outcomes">${[...refused, ...outcomes.filter(({ done }) => done)].slice(0, CERTIFICATES_MAX).map(
        ({ subject, done, what, renewalId, code, action }) => html`<li>
          ${done ? tag("done", "busy") : tag("not done", "bad")}
          ${
            facts.snapshot.rows.has(subject)
              ? html`<a href="${certificateHref(subject)}">${foreign(subject)}</a>`
              : foreign(subjectText(subject, facts.snapshot))
          } ${foreign(what)}
          ${renewalId === null ? NOTHING : html` · <a href="${renewalHref(renewalId)}">follow its renewal</a>`}
          ${
            code === null ? NOTHING : html`<br /><code>${foreign(code)}</code>`
          }${action === null ? NOTHING : html` <b>What to do:</b> ${advice(action)}`}
        </li>`,
      )}</ul>
      <p class="buttons"><a class="button" href="${back}">Back</a></p>`,
  });
}

/** Throws 404 for what is no action. */
export function unknownAction(name: string): HttpProblem {
  return new HttpProblem(404, `there is no action "${name.slice(0, 40)}"`);
}
