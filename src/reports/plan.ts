import type { Screen } from "../cli/terminal/style.ts";
import { type Cell, renderTable } from "../cli/terminal/table.ts";
import { inert } from "../cli/terminal/text.ts";
import type { Certificate } from "../domain/certificate.ts";
import type { TargetLimits } from "../domain/deployer.ts";
import type { Store } from "../domain/store.ts";
import { incompatibilities } from "../renewal/rules/compatibility.ts";
import type { Hold, PlanDecision } from "../renewal/rules/decide.ts";
import { type BudgetOf, decisionOf, loadFleet, type Member, nextLookAt } from "./fleet.ts";
import { fromNow, iso } from "./instant.ts";
import { type Exhausted, exhaustedBy } from "./limits.ts";

/** `renewd plan --json`: what the planner would say now, by the planner's own function. */
export interface PlanReport {
  readonly version: 1;
  readonly at: string;
  readonly certificates: readonly PlanEntry[];
  /** The CAs' limits that what is due now uses up. */
  readonly exhausted: readonly Exhausted[];
}

export interface PlanEntry {
  readonly name: string;
  readonly due: boolean;
  /** Why there is something to renew; null: nothing is, or no planner has seen the certificate. */
  readonly reason: string | null;
  /** What keeps a reason from being acted on. */
  readonly heldBy: Hold | "unknown" | null;
  readonly detail: string;
  /** When the planner comes back to it; null: not by itself. */
  readonly nextAt: string | null;
  /** What its targets cannot take of it, known before anything is issued. */
  readonly incompatible: readonly string[];
}

/** The limits of a target. */
export type LimitsOf = (target: string) => TargetLimits;

export async function planReport(
  store: Store,
  certificates: readonly Certificate[],
  now: number,
  budgetOf?: BudgetOf,
  limitsOf: LimitsOf = () => ({}),
): Promise<PlanReport> {
  const fleet = await loadFleet(store, certificates, now, budgetOf);
  const entries = fleet.map(
    (member): PlanEntry => ({
      ...entryOf(member, decisionOf(member, now), now),
      incompatible: incompatibilities(member.certificate, member.version, limitsOf),
    }),
  );
  return { version: 1, at: iso(now), certificates: entries, exhausted: exhaustedBy(fleet, now) };
}

function entryOf(member: Member, decision: PlanDecision | null, now: number): Omit<PlanEntry, "incompatible"> {
  const { name } = member.certificate;
  if (decision === null) {
    return { name, due: false, reason: null, heldBy: "unknown", detail: "no planner has seen it yet: start or reload one", nextAt: null };
  }
  const { detail } = decision;
  const nextAt = iso(nextAtOf(member, decision, now));
  if (decision.due) return { name, due: true, reason: decision.reason, heldBy: null, detail, nextAt };
  return { name, due: false, reason: decision.hold === null ? null : decision.reason, heldBy: decision.hold, detail, nextAt };
}

function nextAtOf(member: Member, decision: PlanDecision, now: number): number | null {
  if (member.active !== null) return member.active.nextActionAt;
  if (!decision.due && decision.hold === "paused" && decision.until === null) return null;
  const at = nextLookAt(member, decision);
  return at === null ? null : Math.max(at, now);
}

const HOLD = {
  inFlight: "in flight",
  paused: "paused",
  backedOff: "backed off",
  restored: "restored",
  frozen: "frozen",
  outsideWindow: "outside window",
  earlierWave: "earlier wave",
  budget: "budget",
  unknown: "unknown",
} as const;

export function renderPlan({ certificates, exhausted, at }: PlanReport, screen: Screen): string {
  if (certificates.length === 0) return "no certificates are configured";
  const columns = [{ title: "CERTIFICATE", widthMin: 14 }, { title: "DUE" }, { title: "REASON" }, { title: "WHY", widthMin: 20 }, { title: "NEXT" }];
  const rows = certificates.map((each): Cell[] => [
    each.name,
    dueCell(each),
    each.reason ?? "-",
    each.detail,
    each.nextAt === null ? "-" : fromNow(each.nextAt, at),
  ]);
  const lines = exhausted.map(
    (each) => `${each.issuer}: ${inert(each.limit)}: ${each.left} left, ${each.wanted} wanted; the last one goes ${fromNow(each.lastAt, at)}`,
  );
  const incompatible = certificates.flatMap((each) => each.incompatible.map((what) => `${inert(each.name)}: ${inert(what)}`));
  const parts = [renderTable(columns, rows, screen)];
  if (incompatible.length > 0) parts.push(["Cannot be deployed as configured:", ...incompatible]);
  if (lines.length > 0) parts.push(["Used up by what is due:", ...lines]);
  return parts.map((part) => part.join("\n")).join("\n\n");
}

function dueCell({ due, heldBy }: PlanEntry): Cell {
  if (due) return { text: "now", style: "strong" };
  if (heldBy === null) return "no";
  return heldBy === "inFlight" ? HOLD.inFlight : { text: HOLD[heldBy], style: "caution" };
}
