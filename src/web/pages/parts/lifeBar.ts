import { html } from "hono/html";
import { formatInstant } from "../../../domain/time.ts";
import type { Life } from "../../../reports/lists/certificateRow.ts";
import { type Html, NOTHING } from "./markup.ts";
import { short } from "./time.ts";

/** In SVG units. Attributes only: the page's policy forbids inline style, and mail and print take the same picture. */
const WIDTH = 200;
/** Where the bar is as wide as the page, its marks must not be drawn out. */
const WIDE = 1_000;
const HEIGHT = 16;

/** A certificate's life from its begin to its end: what is over, when it renews, what the CA suggests, and today. */
export function lifeBar(life: Life | null, now: number, size: "row" | "page" = "row"): Html {
  if (life === null) return NOTHING;
  const width = size === "row" ? WIDTH : WIDE;
  const { from, to, windowOpensAt, dueAt, emergencyAt, suggested } = life;
  const x = (at: number): number => round((Math.min(Math.max(at, from), to) - from) / Math.max(1, to - from)) * width;
  const left = Math.max(0, to - now) / Math.max(1, to - from);
  const tone = now >= emergencyAt ? "bad" : now >= dueAt ? "warn" : "run";
  return html`<svg
    class="life"
    viewBox="0 0 ${width} ${HEIGHT}"
    preserveAspectRatio="none"
    role="img"
    aria-label="${describe(life, left, now)}"
  >
    <rect class="life-rest" x="0" y="5" width="${width}" height="6" rx="3" />
    <rect class="life-${tone}" x="0" y="5" width="${x(now)}" height="6" rx="3" />
    <rect class="life-window" x="${x(windowOpensAt)}" y="3" width="${x(emergencyAt) - x(windowOpensAt)}" height="10"
      rx="2" />
    ${
      suggested &&
      html`<rect class="life-ca" x="${x(suggested.from)}" y="1"
      width="${Math.max(1, x(suggested.to) - x(suggested.from))}" height="3" />`
    }
    <rect class="life-due" x="${x(suggested?.at ?? dueAt)}" y="3" width="1.5" height="10" />
    <rect class="life-now" x="${Math.min(x(now), width - 2)}" y="0" width="2" height="${HEIGHT}" />
  </svg>`;
}

function describe({ to, windowOpensAt, dueAt, suggested }: Life, left: number, now: number): string {
  const percent = Math.round(left * 100);
  const opens = windowOpensAt > now ? `window opens in ${short(windowOpensAt - now)}` : "window is open";
  const at = suggested === null ? dueAt : suggested.at;
  return `${percent} % of its life left, until ${formatInstant(to)}; ${opens}, chosen ${formatInstant(at)}`;
}

function round(fraction: number): number {
  return Math.round(fraction * 1_000) / 1_000;
}
