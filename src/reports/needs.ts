import { type Heartbeat, isLive } from "../domain/heartbeat.ts";
import type { Role } from "../domain/role.ts";
import { vantagesOf } from "../renewal/rules/vantages.ts";
import type { Member } from "./fleet.ts";

export interface NeedFacts {
  readonly beats: readonly Heartbeat[];
  readonly fleet: readonly Member[];
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
export function needsOf({ fleet, agentTargets }: Pick<NeedFacts, "fleet" | "agentTargets">): Need[] {
  if (fleet.length === 0) return [];
  const targets = new Set(fleet.flatMap(({ certificate }) => certificate.targets));
  const agents = agentTargets.filter((target) => targets.has(target)).sort();
  const needs: Need[] = [
    { role: "planner", target: null },
    { role: "acme", target: null },
  ];
  if (targets.size > agents.length) needs.push({ role: "deployer", target: null });
  for (const target of agents) needs.push({ role: "deployer", target });
  const endpoints = fleet.flatMap(({ certificate }) => certificate.endpoints);
  if (endpoints.some(({ vantage }) => vantage === undefined)) needs.push({ role: "verifier", target: null });
  for (const vantage of vantagesOf(endpoints)) needs.push({ role: "verifier", target: null, vantage });
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
