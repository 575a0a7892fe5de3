import { html } from "hono/html";
import { formatDuration } from "../../domain/time.ts";
import { type DrillEntry, type DrillStageEntry, drillsReport } from "../../reports/drills.ts";
import type { PageFacts } from "./facts.ts";
import { certificateHref, foreign, type Html, NOTHING, pathOf, plural } from "./parts/markup.ts";
import { tag } from "./parts/state.ts";
import { relative } from "./parts/time.ts";

const DRILLS_SHOWN = 5;
const LATE_SHOWN = 10;

/** How fast replacing is when it matters, and whether it has become slower. */
export async function drillsPanel({ web, now }: PageFacts): Promise<Html> {
  const { drills } = await drillsReport(web.renewal.store, null, now);
  return html`<section class="panel"><h2>Drills</h2>
    ${
      drills.length === 0
        ? html`<p class="quiet">None was held. A drill replaces certificates as if they had just been revoked, and
          measures how long each takes until it is proved live: choose them in the <a href="/certificates">list of
          certificates</a>, or <code>renewd drill NAME</code>.</p>`
        : drills.slice(0, DRILLS_SHOWN).map((drill) => one(drill, now))
    }
    ${
      drills.length > DRILLS_SHOWN
        ? html`<p class="quiet">${drills.length - DRILLS_SHOWN} earlier: <code>renewd drill --list</code></p>`
        : NOTHING
    }
  </section>`;
}

function one(drill: DrillEntry, now: number): Html {
  const { id, selection, issuer, startedAt, certificates, comparedWith, stages } = drill;
  const late = drill.members.filter(({ provedAt }) => provedAt === null);
  return html`<div class="card-head"><h3><a href="${pathOf("replacements", id)}">${foreign(selection)}</a></h3>
      ${verdict(drill)}</div>
    <p class="quiet">Begun ${relative(Date.parse(startedAt), now)}${
      issuer === null ? NOTHING : html`, from issuer ${foreign(issuer)}`
    }${
      comparedWith === null
        ? "; the first of its kind"
        : html`; in brackets: ${relative(Date.parse(comparedWith.startedAt), now)}, with ${comparedWith.certificates}
          ${plural(comparedWith.certificates, "certificate")}`
    }.</p>
    <table class="list"><thead><tr><th scope="col">Stage</th><th scope="col">Certificates</th><th scope="col">p50</th>
      <th scope="col">p95</th><th scope="col">max</th></tr></thead>
    <tbody>${stages.map(
      (stage) => html`<tr><th scope="row" data-label="Stage">${stage.stage}</th>
      <td data-label="Certificates">${stage.reached} of ${certificates}</td>
      ${(["p50Ms", "p95Ms", "maxMs"] as const).map(
        (key) => html`<td data-label="${key.slice(0, -2)}">${time(stage, key)}</td>`,
      )}</tr>`,
    )}</tbody></table>
    ${
      late.length === 0
        ? NOTHING
        : html`<p>Not proved: ${late
            .slice(0, LATE_SHOWN)
            .map(({ certificate }) => html`<a href="${certificateHref(certificate)}">${foreign(certificate)}</a> `)}
            ${late.length > LATE_SHOWN ? `and ${late.length - LATE_SHOWN} more` : NOTHING}</p>`
    }`;
}

function verdict({ cancelled, finishedAt, proved, certificates }: DrillEntry): Html {
  if (cancelled) return tag("cancelled");
  if (finishedAt === null) return tag("under way", "busy");
  return proved === certificates ? tag("all proved", "good") : tag(`${certificates - proved} not in time`, "bad");
}

function time({ before, ...stage }: DrillStageEntry, key: "p50Ms" | "p95Ms" | "maxMs"): Html {
  const words = (ms: number | null): string => (ms === null ? "not reached" : formatDuration(ms));
  return html`${words(stage[key])}${before === null ? NOTHING : html` <small>(${words(before[key])})</small>`}`;
}
