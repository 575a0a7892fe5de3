import { html } from "hono/html";
import type { CertificateRow } from "../../reports/lists/certificateRow.ts";
import type { ReplacementEntry } from "../../reports/replacements.ts";
import { HttpProblem } from "../problem.ts";
import { actionHref } from "./actionLinks.ts";
import { drillsPanel } from "./drills.ts";
import type { PageFacts } from "./facts.ts";
import { heading, layout } from "./layout.ts";
import { certificateHref, count, foreign, type Html, NOTHING, pathOf } from "./parts/markup.ts";
import { CERTIFICATE_LOOK, pill, tag } from "./parts/state.ts";
import { instant, relative, short } from "./parts/time.ts";

/** Many certificates against a deadline: how far each effort has come, and what the rest waits on. */
export async function replacementsPage(facts: PageFacts): Promise<Html> {
  const { snapshot } = facts;
  return layout(facts, {
    title: "Replacements",
    body: html`${heading(
      "Replacements",
      NOTHING,
      html`<a class="button"
      href="${actionHref("replace", { back: "/replacements" })}">Replace many certificates</a>`,
    )}
      ${
        snapshot.replacements.length === 0
          ? html`<section
            class="clear quiet-card"><p>Nothing is being replaced. When a CA revokes many certificates at once, select
              them here: they are renewed ahead of routine work, in waves, within the CA's limits.</p></section>`
          : snapshot.replacements.map((entry) => board(entry, facts))
      }
      ${await drillsPanel(facts)}`,
  });
}

const ROWS_SHOWN = 200;

/** One replacement: its board, and every certificate of it, those that wait first. */
export function replacementPage(facts: PageFacts, id: string): Html {
  const { snapshot, now } = facts;
  const entry = snapshot.replacements.find((each) => each.id === id);
  if (entry === undefined)
    throw new HttpProblem(404, "there is no replacement of this id", { action: "See the list of replacements." });
  const rows = snapshot.certificates.filter(({ replacements }) => replacements.includes(id));
  const stage = (row: CertificateRow): number =>
    ["waiting", "inFlight", "done"].findIndex((each) => row.replacements.includes(`${id} ${each}`));
  const ordered = rows.toSorted((a, b) => stage(a) - stage(b) || (a.expiresAt ?? 0) - (b.expiresAt ?? 0));
  return layout(facts, {
    title: "Replacement",
    body: html`${heading("Replacement", html`Asked for ${relative(Date.parse(entry.startedAt), now)}.`)}
      ${board(entry, facts)}
      <section class="panel"><h2>Certificates</h2>
        <table class="list"><thead><tr><th scope="col">Certificate</th><th scope="col">Progress</th>
          <th scope="col">State</th><th scope="col">Expires</th><th scope="col">Next</th></tr></thead>
        <tbody>${ordered.slice(0, ROWS_SHOWN).map(
          (row) => html`<tr>
            <th scope="row" data-label="Certificate"><a
              href="${certificateHref(row.certificate)}">${foreign(row.certificate)}</a></th>
            <td data-label="Progress">${PROGRESS[stage(row)] ?? html`<span class="quiet">left it</span>`}</td>
            <td data-label="State">${pill(CERTIFICATE_LOOK[row.state])}</td>
            <td data-label="Expires">${relative(row.expiresAt, now)}</td>
            <td data-label="Next">${
              row.next.at === null ? NOTHING : html`${relative(row.next.at, now)} `
            }<small>${foreign(row.next.what)}</small></td></tr>`,
        )}</tbody></table>
        ${
          ordered.length > ROWS_SHOWN
            ? html`<p><a href="/certificates?replacement=${encodeURIComponent(id)}">all of them</a></p>`
            : NOTHING
        }
      </section>`,
  });
}

const PROGRESS = [tag("waiting", "warn"), tag("in flight", "busy"), tag("done", "good")] as const;

function board(entry: ReplacementEntry, { snapshot, now }: PageFacts): Html {
  const { id, selection, by, why, startedAt, deadline, cancelled, waiting, projectedAt, needPerson, inTime } = entry;
  const of = (mark: string): number =>
    snapshot.certificates.filter(({ replacements }) => replacements.includes(mark)).length;
  const href = (mark: string): string => `/certificates?replacement=${encodeURIComponent(mark)}`;
  const all = of(id);
  const [done, inFlight, left] = [of(`${id} done`), of(`${id} inFlight`), of(`${id} waiting`)];
  const deadlineAt = Date.parse(deadline);
  return html`<section class="panel">
    <div class="card-head"><h2><a
      href="${pathOf("replacements", id)}">${foreign(selection)}</a></h2>${verdict(entry, done === all)}</div>
    ${progress(done, inFlight, Math.max(1, all))}
    <dl class="facts">
      <div><dt>Certificates</dt><dd>${count(all, href(id))}</dd></div>
      <div><dt>Done</dt><dd>${count(done, href(`${id} done`))}</dd></div>
      <div><dt>In flight</dt><dd>${count(inFlight, href(`${id} inFlight`))}</dd></div>
      <div><dt>Waiting</dt><dd>${count(left, href(`${id} waiting`))}</dd></div>
      <div><dt>Started</dt><dd>${instant(Date.parse(startedAt))}${
        by === null ? NOTHING : html` by ${foreign(by)}`
      }</dd></div>
      ${why === null ? NOTHING : html`<div><dt>Why</dt><dd>${foreign(why)}</dd></div>`}
      <div><dt>Deadline</dt><dd>${instant(deadlineAt)} (${relative(deadlineAt, now)})</dd></div>
      <div><dt>Projected finish</dt>
        <dd>${
          projectedAt === null
            ? "not known yet"
            : html`${relative(Date.parse(projectedAt), now)}${
                inTime === false
                  ? html` <b class="bad-text">${short(Date.parse(projectedAt) - deadlineAt)} too late</b>`
                  : NOTHING
              }`
        }</dd></div>
    </dl>
    ${needPerson === 0 ? NOTHING : html`<p class="bad-text">Some need a person, so no time can be promised.</p>`}
    ${
      waiting.length === 0
        ? NOTHING
        : html`<h3>What the rest waits on</h3><ul class="rows">
      ${waiting.map(
        ({ on, certificates }) =>
          html`<li>${foreign(on)}: ${certificates.slice(0, 5).map(
            (name) => html`<a
            href="${certificateHref(name)}">${foreign(name)}</a> `,
          )}${
            certificates.length > 5
              ? html`<a href="${pathOf("replacements", id)}">and ${certificates.length - 5} more</a>`
              : NOTHING
          }</li>`,
      )}</ul>`
    }
    ${
      cancelled || done === all
        ? NOTHING
        : html`<p class="buttons"><a class="button plain"
          href="${actionHref("cancel-replacement", { replacement: id, back: "/replacements" })}">Cancel</a></p>`
    }
  </section>`;
}

function verdict({ cancelled, inTime }: ReplacementEntry, isDone: boolean): Html {
  if (cancelled) return tag("cancelled");
  if (isDone) return tag("done", "good");
  return inTime === false
    ? tag("will miss its deadline", "bad")
    : inTime === null
      ? tag("under way", "busy")
      : tag("in time", "busy");
}

function progress(done: number, inFlight: number, all: number): Html {
  const x = (number: number): number => Math.round((number / all) * 1_000);
  return html`<svg class="gauge wide" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img"
    aria-label="${done} of ${all} done, ${inFlight} in flight">
    <rect class="life-rest" width="1000" height="10" rx="4" /><rect class="bar-good" width="${x(done)}" height="10"
      rx="4" /><rect class="bar-busy" x="${x(done)}" width="${x(inFlight)}" height="10" /></svg>`;
}
