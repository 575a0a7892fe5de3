import { parseArgs } from "node:util";
import { processEnvironment } from "../config/read/environment.ts";
import { RenewalError, toRenewalError } from "../domain/errors.ts";
import { runRoles } from "./process.ts";
import type { Reloads } from "./reloads.ts";
import type { Role } from "./roleNames.ts";

/**
 * Entry of `workers/*.ts`: `--config FILE`, RENEWD_CONFIG or ./renewd.yaml; a deployer also `--targets`. Never throws:
 * see the exit code.
 */
export async function startWorkerProcess(role: Role, reloads: Reloads): Promise<never> {
  try {
    // renewd has closed all it opened; libraries may hold timers for some seconds more.
    const { config, targets } = options(role);
    process.exit(await runRoles(config, { roles: [role], agentOf: targets, reloads }));
  } catch (thrown) {
    const { code, message, facts } = toRenewalError(thrown);
    process.stderr.write(`renewd ${role}: ${code}: ${message}\n${facts.action}\n`);
    process.exit(facts.class === "configuration" ? 2 : 1);
  }
}

function options(role: Role): { readonly config: string; readonly targets: readonly string[] } {
  const usage = `usage: --config FILE${role === "deployer" ? " --targets NAME,…" : ""}`;
  const agent = role === "deployer" ? { targets: { type: "string" } as const } : {};
  try {
    const { values } = parseArgs({ options: { config: { type: "string", short: "c" }, ...agent } });
    const targets = typeof values.targets === "string" ? values.targets.split(",") : [];
    return { config: String(values.config ?? processEnvironment("RENEWD_CONFIG") ?? "renewd.yaml"), targets };
  } catch (cause) {
    throw new RenewalError("config.invalid", `${cause instanceof Error ? cause.message : String(cause)} (${usage})`, {
      cause,
    });
  }
}
