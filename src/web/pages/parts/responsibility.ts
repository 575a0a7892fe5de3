import { html } from "hono/html";
import { labelTexts, NOBODY, type Responsibility } from "../../../domain/responsibility.ts";
import { foreign, type Html, NOTHING } from "./markup.ts";
import { tag } from "./state.ts";

/** Who answers for it, in one line with links to what else is theirs; nothing where nobody is named. */
export function responsible(responsibility: Responsibility, path = "/certificates"): Html {
  const { owner, team, criticality } = responsibility;
  const parts = [
    owner === null ? null : html`owner ${filter(path, "owner", owner)}`,
    team === null ? null : html`team ${filter(path, "team", team)}`,
    ...labelTexts(responsibility).map((label) => filter(path, "label", label)),
    runbook(responsibility),
  ].filter((part) => part !== null);
  const joined = parts.map((part, index) => (index === 0 ? part : html` · ${part}`));
  return html`${criticalityTag(criticality)}${joined}`;
}

export function isAnswered(responsibility: Responsibility): boolean {
  const { owner, team, criticality, runbook: url, labels } = responsibility;
  const isNamed = owner !== null || team !== null || url !== null || Object.keys(labels).length > 0;
  return isNamed || criticality !== NOBODY.criticality;
}

function filter(path: string, key: string, value: string): Html {
  return html`<a href="${path}?${key}=${encodeURIComponent(value)}">${foreign(value)}</a>`;
}

/** Normal is not worth a word. */
export function criticalityTag(criticality: Responsibility["criticality"]): Html {
  if (criticality === NOBODY.criticality) return NOTHING;
  return html`${tag(criticality, criticality === "critical" ? "bad" : criticality === "high" ? "warn" : "quiet")} `;
}

export function runbook({ runbook: url }: Responsibility): Html | null {
  return url === null ? null : html`<a href="${url}" rel="noreferrer noopener external">runbook</a>`;
}
