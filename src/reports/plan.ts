import type { Certificate } from "../domain/certificate.ts";
import type { TargetLimits } from "../domain/deployer.ts";
import { isLive } from "../domain/heartbeat.ts";
import type { Responsibility } from "../domain/responsibility.ts";
import type { Store } from "../domain/store.ts";
import { formatInstant } from "../domain/time.ts";
import { takingTurns } from "../domain/turns.ts";
import { incompatibilities } from "../renewal/rules/compatibility.ts";
import type { Blocker, PlanDecision } from "../renewal/rules/decide.ts";
import { type BudgetOf, loadFleet, type Member, nextLookAt, planDecisionOf } from "./fleet.ts";
import { iso } from "./instant.ts";
import { type ExhaustedLimit, exhaustedLimits } from "./limits.ts";

/** `renewd plan --json`: what the planner would say now, by the planner's own function. */
export interface PlanReport {
  readonly version: 2;
  readonly at: string;
  /** Nothing is done as planned while none does. */
  readonly plannerRuns: boolean;
  readonly certificates: readonly PlanEntry[];
  /** Others come after this one: give it as `--after`. null: these are all that were asked for. */
  readonly next: string | null;
  /** The CAs' limits that what is due of these certificates uses up. */
  readonly exhausted: readonly ExhaustedLimit[];
}

export interface PlanEntry {
  readonly certificate: string;
  readonly due: boolean;
  /** Why there is something to renew; null: nothing is, or no planner has seen the certificate. */
  readonly reason: string | null;
  /** What keeps a reason from being acted on. */
  readonly heldBy: Blocker | "unknown" | null;
  readonly detail: string;
  /** When the planner comes back to it; null: not by itself. */
  readonly nextAt: string | null;
  /** What its targets cannot take of it, known before anything is issued. */
  readonly incompatible: readonly string[];
  /** Its targets whose servers are reloaded when it is deployed; empty while it is not due. */
  readonly reloads: readonly string[];
  readonly responsibility: Responsibility;
}

/** The limits of a target. */
export type LimitsOf = (target: string) => TargetLimits;

export async function planReport(
  store: Store,
  certificates: readonly Certificate[],
  now: number,
  budgetOf?: BudgetOf,
  limitsOf: LimitsOf = () => ({}),
  reloads: (target: string) => boolean = () => false,
  next: string | null = null,
): Promise<PlanReport> {
  const fleet = await loadFleet(store, certificates, now, { budgetOf });
  const neverRan = fleet.every(({ record }) => record === null);
  const entries: PlanEntry[] = [];
  const turn = takingTurns();
  for (const member of fleet) {
    const entry = neverRan ? firstEntryOf(member) : entryOf(member, planDecisionOf(member, now), now);
    const { targets } = member.certificate;
    entries.push({
      ...entry,
      incompatible: incompatibilities(member.certificate, member.version, limitsOf),
      reloads: entry.due ? targets.filter(reloads) : [],
      responsibility: member.certificate.responsibility,
    });
    await turn();
  }
  const beats = await store.health.beats();
  const plannerRuns = beats.some((beat) => beat.role === "planner" && isLive(beat, now));
  const exhausted = await exhaustedLimits(fleet, now);
  return { version: 2, at: iso(now), plannerRuns, certificates: entries, next, exhausted };
}

/** What follows from the planner's decision. */
type Decided = Omit<PlanEntry, "incompatible" | "reloads" | "responsibility">;

function entryOf(member: Member, decision: PlanDecision | null, now: number): Decided {
  const { name } = member.certificate;
  if (member.unreadable !== null)
    return {
      ...unseenEntry(name),
      detail: `cannot be planned: ${member.unreadable}`,
      nextAt: nextOfUnreadable(member),
    };
  if (decision === null) return unseenEntry(name);
  const detail = `${decision.detail}${pauseOf(member, decision, now)}`;
  const nextAt = iso(nextAtOf(member, decision, now));
  if (decision.due) return { certificate: name, due: true, reason: decision.reason, heldBy: null, detail, nextAt };
  return {
    certificate: name,
    due: false,
    reason: decision.blockedBy === null ? null : decision.reason,
    heldBy: decision.blockedBy,
    detail,
    nextAt,
  };
}

/** A pause blocks nothing while nothing is due, but whoever reads the plan must not count on it. */
function pauseOf({ record }: Member, decision: PlanDecision, now: number): string {
  if (record === null || record.pausedAt === null || (!decision.due && decision.blockedBy === "paused")) return "";
  const until = record.pausedUntil;
  if (until !== null && until <= now) return "";
  const end = until === null ? "until it is resumed" : `until ${formatInstant(until)}`;
  return `; paused ${end}${record.pausedReason === null ? "" : ` (${record.pausedReason})`}`;
}

function nextOfUnreadable({ record }: Member): string | null {
  return iso(record?.nextCheckAt ?? null);
}

function unseenEntry(name: string): Decided {
  const detail = "no planner has seen it yet: start or reload one";
  return { certificate: name, due: false, reason: null, heldBy: "unknown", detail, nextAt: null };
}

/** What the first run will do. A version is there already if it was imported. */
function firstEntryOf({ certificate, version }: Member): Decided {
  const { name, mode, issuer, solvers, targets } = certificate;
  if (mode === "observe")
    return {
      certificate: name,
      due: false,
      reason: null,
      heldBy: "observed",
      detail: "no planner has seen it yet",
      nextAt: null,
    };
  if (version !== null) return unseenEntry(name);
  const detail =
    `the first run orders it from ${issuer} by ${solvers.join(" or ")}, then replaces what ${targets.join(", ")} ` +
    `${targets.length === 1 ? "holds" : "hold"}; if an endpoint serves its names already, it is held until you decide, ` +
    "unless `renewd run --yes`; `renewd import` takes over a pair that is in use";
  return { certificate: name, due: true, reason: "missing", heldBy: null, detail, nextAt: null };
}

function nextAtOf(member: Member, decision: PlanDecision, now: number): number | null {
  if (member.active !== null) return member.active.nextActionAt;
  if (!decision.due && decision.blockedBy === "paused" && decision.until === null) return null;
  const at = nextLookAt(member, decision);
  return at === null ? null : Math.max(at, now);
}
