import type { Uses } from "../domain/applied.ts";
import { type Heartbeat, isLive } from "../domain/heartbeat.ts";
import type { Role } from "../domain/role.ts";

export interface NeedFacts {
  readonly beats: readonly Heartbeat[];
  readonly uses: Uses;
  readonly agentTargets: readonly string[];
  readonly now: number;
}

/** What a process must do for this estate. */
export interface Need {
  readonly role: Role;
  /** Only its own deployer deploys there. */
  readonly target: string | null;
  /** Only its own verifiers dial from there; left out: any may. */
  readonly vantage?: string;
}

/** What must run for these certificates. */
export function needsOf({ uses, agentTargets }: Pick<NeedFacts, "uses" | "agentTargets">): Need[] {
  if (uses.certificates === 0) return [];
  const agents = agentTargets.filter((target) => uses.targets.includes(target)).sort();
  const needs: Need[] = [
    { role: "planner", target: null },
    { role: "acme", target: null },
  ];
  if (uses.targets.length > agents.length) needs.push({ role: "deployer", target: null });
  for (const target of agents) needs.push({ role: "deployer", target });
  if (uses.anywhere) needs.push({ role: "verifier", target: null });
  for (const vantage of uses.vantages) needs.push({ role: "verifier", target: null, vantage });
  return needs;
}

/** Roles of which no process runs. */
export function missingNeeds(facts: NeedFacts): Need[] {
  return needsOf(facts).filter((need) => !facts.beats.some((beat) => serves(beat, need) && isLive(beat, facts.now)));
}

export function serves({ role, targets, vantage }: Heartbeat, need: Need): boolean {
  if (role !== need.role || vantage !== (need.vantage ?? null)) return false;
  return need.target === null ? targets.length === 0 : targets.includes(need.target);
}
