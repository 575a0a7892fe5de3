import { parseArgs } from "node:util";
import { processEnvironment } from "../config/environment.ts";
import { RenewalError, toRenewalError } from "../domain/errors.ts";
import { runRoles } from "./process.ts";
import type { Role } from "./roles.ts";

/** Entry of `workers/*.ts`: `--config FILE`, RENEWD_CONFIG or ./renewd.yaml. Never throws; the exit code tells. */
export async function startWorkerProcess(role: Role): Promise<never> {
  try {
    // Everything of ours is closed; libraries may still hold timers for seconds.
    process.exit(await runRoles(configFile(), [role]));
  } catch (thrown) {
    const { code, message, facts } = toRenewalError(thrown);
    process.stderr.write(`renewd ${role}: ${code}: ${message}\n${facts.action}\n`);
    process.exit(facts.class === "configuration" ? 2 : 1);
  }
}

function configFile(): string {
  try {
    const { values } = parseArgs({ options: { config: { type: "string", short: "c" } } });
    return values.config ?? processEnvironment("RENEWD_CONFIG") ?? "renewd.yaml";
  } catch (cause) {
    throw new RenewalError("config.invalid", `${cause instanceof Error ? cause.message : String(cause)} (usage: --config FILE)`, { cause });
  }
}
