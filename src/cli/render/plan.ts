import { inert } from "../../domain/text.ts";
import { fromNow } from "../../reports/instant.ts";
import type { PlanEntry, PlanReport } from "../../reports/plan.ts";
import type { Screen } from "../terminal/style.ts";
import { type Cell, renderTable } from "../terminal/table.ts";
import { moreLines } from "./certificates.ts";

const HOLD = {
  inFlight: "in flight",
  observed: "observed",
  paused: "paused",
  backedOff: "backed off",
  restored: "restored",
  frozen: "frozen",
  outsideWindow: "outside window",
  earlierWave: "earlier wave",
  distrusted: "no trusted issuer",
  budget: "budget",
  unknown: "unknown",
} as const;

export function renderPlan({ certificates, next, exhausted, at, plannerRuns }: PlanReport, screen: Screen): string {
  if (certificates.length === 0) return "no certificates are configured";
  const columns = [
    { title: "CERTIFICATE", widthMin: 14 },
    { title: "DUE" },
    { title: "REASON", dropOrder: 1 },
    { title: "WHY", widthMin: 24, wraps: true },
    { title: "NEXT" },
  ];
  const rows = certificates.map((each): Cell[] => [
    each.certificate,
    dueCell(each),
    each.reason ?? "-",
    each.detail,
    nextOf(each, at, plannerRuns),
  ]);
  const lines = exhausted.map(
    (each) =>
      `${each.issuer}: ${inert(each.limit)}: ${each.left} left, ${each.wanted} wanted; the last one goes ` +
      `${fromNow(each.lastAt, at)}`,
  );
  const incompatible = certificates.flatMap((each) =>
    each.incompatible.map((what) => `${inert(each.certificate)}: ${inert(what)}`),
  );
  const parts = [renderTable(columns, rows, screen)];
  if (next !== null) parts.push(moreLines(next));
  const reloads = [
    ...Map.groupBy(
      certificates.flatMap((each) => each.reloads),
      (target) => target,
    ),
  ];
  if (reloads.length > 0)
    parts.push([
      "Reloaded when what is due is deployed:",
      ...reloads.map(
        ([target, all]) => `${inert(target)}: for ${all.length} certificate${all.length === 1 ? "" : "s"}`,
      ),
    ]);
  if (incompatible.length > 0) parts.push(["Cannot be deployed as configured:", ...incompatible]);
  if (lines.length > 0) parts.push(["Used up by what is due:", ...lines]);
  return parts.map((part) => part.join("\n")).join("\n\n");
}

function dueCell({ due, heldBy }: PlanEntry): Cell {
  if (due) return { text: "now", style: "strong" };
  if (heldBy === null) return "no";
  return heldBy === "inFlight" ? HOLD.inFlight : { text: HOLD[heldBy], style: "caution" };
}

/** Nothing goes on "now" before a planner or worker has taken it. */
function nextOf({ nextAt, heldBy }: PlanEntry, at: string, plannerRuns: boolean): string {
  if (nextAt === null) return "-";
  if (Date.parse(nextAt) > Date.parse(at)) return fromNow(nextAt, at);
  return plannerRuns || heldBy === "inFlight" ? "due" : "no planner runs";
}
