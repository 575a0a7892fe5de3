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
  readonly inUse: readonly InUse<string>[];
}

interface InUse<Instant> {
  readonly certificate: string;
  readonly endpoint: string;
  readonly issuer: string;
  readonly serial: string;
  readonly notAfter: Instant;
}

const IN_USE = "In use now: held until you decide, or replaced at once with `renewd run --yes`:";

export function renderDryRun({ plan, inUse }: DryRunReport, screen: Screen): string {
  const parts = [renderPlan(plan, screen)];
  if (inUse.length > 0) parts.push([IN_USE, ...inUse.map(lineOf)].join("\n"));
  return [...parts, "Nothing was changed."].join("\n\n");
}

/** Before the question whether they may be replaced. */
export function renderPairsInUse(pairs: readonly InUse<number>[]): string {
  const lines = pairs.map((pair) => lineOf({ ...pair, notAfter: iso(pair.notAfter) }));
  return ["First run: these endpoints already serve certificates for the names:", ...lines].join("\n");
}

function lineOf({ certificate, endpoint, issuer, serial, notAfter }: InUse<string>): string {
  return inert(`  ${certificate}: ${endpoint} serves ${serial} by ${issuer}, valid until ${spoken(notAfter)}`);
}
