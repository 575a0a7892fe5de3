import { html } from "hono/html";
import { formatDuration } from "../../../domain/time.ts";
import { STAGES, type Stages } from "../../../reports/stages.ts";
import type { Html } from "./markup.ts";

const WIDTH = 900;
const ROW = 22;
const LABEL = 90;

/** What of a renewal took how long: one row per stage, failures marked. Also readable without colours. */
export function timeline({ from, to, spans, marks, totalsMs }: Stages): Html {
  const x = (at: number): number =>
    LABEL +
    Math.round(((Math.min(Math.max(at, from), to) - from) / Math.max(1, to - from)) * (WIDTH - LABEL) * 10) / 10;
  const y = (stage: (typeof STAGES)[number]): number => STAGES.indexOf(stage) * ROW + 4;
  const spoken = STAGES.filter((stage) => totalsMs[stage] > 0).map(
    (stage) => `${stage} ${formatDuration(totalsMs[stage])}`,
  );
  return html`<svg class="timeline" viewBox="0 0 ${WIDTH} ${STAGES.length * ROW + 6}" role="img"
    aria-label="Stages: ${spoken.join(", ")}">
    ${STAGES.map(
      (stage) => html`<text x="0" y="${y(stage) + 12}">${stage}</text><line x1="${LABEL}" x2="${WIDTH}"
      y1="${y(stage) + 8}" y2="${y(stage) + 8}" />`,
    )}
    ${spans.map(
      ({ stage, from: begin, to: end }) => html`<rect class="stage-${stage}" x="${x(begin)}" y="${y(stage)}"
      width="${Math.max(1.5, x(end) - x(begin))}" height="16" rx="2" />`,
    )}
    ${marks
      .filter(({ isFailure }) => isFailure)
      .map(
        ({ stage, at }) => html`<circle class="stage-failure"
      cx="${x(at)}" cy="${y(stage) + 8}" r="5" />`,
      )}
  </svg>`;
}
