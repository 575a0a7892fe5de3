import { html } from "hono/html";
import { type ExerciseEntry, exercisesReport, exerciseWords } from "../../reports/exercises.ts";
import { actionHref } from "./actionLinks.ts";
import type { PageFacts } from "./facts.ts";
import { certificateHref, foreign, type Html, NOTHING } from "./parts/markup.ts";
import { tag } from "./parts/state.ts";
import { relative } from "./parts/time.ts";

/** How people answered when a certificate was broken on purpose; nothing where that was never configured. */
export async function exercisesPanel({ web, now, here }: PageFacts): Promise<Html> {
  const { store, settings } = web.renewal;
  const { certificate, nextAt, runs } = await exercisesReport(store, settings.alerts, now);
  if (certificate === null && runs.length === 0) return NOTHING;
  return html`<section class="panel"><h2>Exercises</h2>
    <p class="quiet">${
      certificate === null
        ? "None is configured any more."
        : html`<a href="${certificateHref(certificate)}">${foreign(certificate)}</a> is broken on purpose until somebody
          acknowledges; the next time ${relative(Date.parse(nextAt ?? ""), now)}.
          <a class="button plain" href="${actionHref("exercise", { back: here })}">Exercise now</a>`
    }</p>
    <ul class="rows">${runs.map(
      (run) => html`<li>${tag(run.outcome ?? run.state, toneOf(run))} ${foreign(exerciseWords(run))}
        <small>begun ${relative(Date.parse(run.startedAt), now)}${
          run.by === null ? " on schedule" : html` by ${foreign(run.by)}`
        }${
          run.notifiedAt === null ? NOTHING : html` · first notified ${relative(Date.parse(run.notifiedAt), now)}`
        }${run.putRightAt === null ? NOTHING : html` · proved live again ${relative(Date.parse(run.putRightAt), now)}`}${
          run.problem === null ? NOTHING : html` · ${foreign(run.problem)}`
        }</small></li>`,
    )}</ul></section>`;
}

function toneOf({ outcome }: ExerciseEntry): "good" | "bad" | "busy" | "quiet" {
  if (outcome === null) return "busy";
  if (outcome === "acknowledged") return "good";
  return outcome === "cancelled" ? "quiet" : "bad";
}
