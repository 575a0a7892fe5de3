import type { InUse } from "../../compose/index.ts";
import { inert } from "../../domain/text.ts";
import { iso, spoken } from "../../reports/instant.ts";
import type { PlanReport } from "../../reports/plan.ts";
import type { Screen } from "../terminal/style.ts";
import { renderPlan } from "./plan.ts";

/** `renewd run --dry-run --json`. */
export interface DryRunReport {
  readonly version: 1;
  readonly plan: PlanReport;
  /** Certificates that endpoints serve now and renewd did not issue. */
  readonly inUse: readonly Served<string>[];
  /** Of so many certificates no endpoint was asked: of very many only some are. */
  readonly unasked: number;
}

interface Served<Instant> {
  readonly certificate: string;
  readonly endpoint: string;
  readonly issuer: string;
  readonly serial: string;
  readonly notAfter: Instant;
}

const IN_USE = "In use now: held until you decide, or replaced at once with `renewd run --yes`:";

/** Very many pages of them help nobody to decide. */
const SHOWN = 20;

export function renderDryRun({ plan, inUse, unasked }: DryRunReport, screen: Screen): string {
  const parts = [renderPlan(plan, screen)];
  if (inUse.length > 0) parts.push([IN_USE, ...inUse.map(lineOf)].join("\n"));
  if (unasked > 0) parts.push(`${notAsked(unasked)} \`renewd run\` then needs \`--yes\`, or somebody to ask.`);
  return [...parts, "Nothing was changed."].join("\n\n");
}

/** Before the question whether they may be replaced. */
export function renderInUse({ pairs, unasked }: InUse): string {
  const lines = pairs.slice(0, SHOWN).map((pair) => lineOf({ ...pair, notAfter: iso(pair.notAfter) }));
  return [
    ...(pairs.length === 0 ? [] : ["First run: these endpoints already serve certificates for the names:"]),
    ...lines,
    ...(pairs.length > SHOWN ? [`  … and ${pairs.length - SHOWN} more`] : []),
    ...(unasked === 0 ? [] : [notAsked(unasked)]),
  ].join("\n");
}

function notAsked(unasked: number): string {
  const [what, were] = unasked === 1 ? ["certificate", "was"] : ["certificates", "were"];
  return `${unasked} ${what} ${were} not asked for: of very many renewd asks some endpoints only.`;
}

function lineOf({ certificate, endpoint, issuer, serial, notAfter }: Served<string>): string {
  return inert(`  ${certificate}: ${endpoint} serves ${serial} by ${issuer}, valid until ${spoken(notAfter)}`);
}
