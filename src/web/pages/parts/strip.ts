import { html } from "hono/html";
import type { ProofDay } from "../../../reports/proofStrip.ts";
import { type Html, NOTHING } from "./markup.ts";

const TONES = { proved: "good", stale: "bad", nothing: "none" } as const;
const CELL = 4;

/** One cell a day: green by handshakes alone; a day on which nothing was recorded stays empty. */
export function strip(days: readonly ProofDay[] | undefined): Html {
  if (days === undefined) return NOTHING;
  const of = (kind: ProofDay): number => days.filter((day) => day === kind).length;
  const spoken = `proved on ${of("proved")}, wrong on ${of("stale")}, nothing recorded on the others`;
  return html`<svg class="strip" viewBox="0 0 ${days.length * CELL} 12" preserveAspectRatio="none" role="img"
    aria-label="Last ${days.length} days: ${spoken}">
    ${days.map(
      (day, index) => html`<rect class="cell-${TONES[day]}" x="${index * CELL}" y="0" width="${CELL - 1}"
      height="12" />`,
    )}
  </svg>`;
}
