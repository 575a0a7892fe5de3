import type { Config } from "../config/config.ts";
import { nameServerSettings } from "./nameServer.ts";
import type { RoleSettings } from "./runningRole.ts";

/** What roles take from the configuration, at their start and after a reload. */
export function roleSettingsOf(config: Config): Omit<RoleSettings, "agentOf" | "load" | "useful" | "note"> {
  const { planner, workers, http01, tlsAlpn01, solvers } = config;
  const needed = new Set(solvers.values().map(({ plugin }) => plugin.needsResponder));
  return {
    config,
    tickMs: planner.tickMs,
    sweepMs: planner.sweepMs,
    concurrency: workers,
    http01: needed.has("http01") ? http01 : null,
    tlsAlpn01: needed.has("tlsAlpn01") ? tlsAlpn01 : null,
    nameServer: nameServerSettings(config),
  };
}
