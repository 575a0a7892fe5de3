import type { Config } from "../config/config.ts";
import type { RoleSettings } from "./roles.ts";

/** What roles take from the configuration, at their start and after a reload. */
export function roleSettingsOf({
  planner,
  workers,
  http01,
  solvers,
}: Config): Omit<RoleSettings, "agentOf" | "load" | "useful" | "note"> {
  const isNeeded = [...solvers.values()].some(({ plugin }) => plugin.needsResponder);
  return { tickMs: planner.tickMs, sweepMs: planner.sweepMs, concurrency: workers, http01: isNeeded ? http01 : null };
}
