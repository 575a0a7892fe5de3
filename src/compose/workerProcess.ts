import { parseArgs } from "node:util";
import { processEnvironment } from "../config/read/environment.ts";
import { RenewalError, toRenewalError } from "../domain/errors.ts";
import { runRoles } from "./process.ts";
import type { Reloads } from "./reloads.ts";
import type { Role } from "./roleNames.ts";

/**
 * Entry of `workers/*.ts`: `--config FILE`, RENEWD_CONFIG or ./renewd.yaml; a deployer also `--targets`; a planner also
 * `--yes`, as `renewd run`; a verifier also `--vantage`. Never throws: see the exit code.
 */
export async function startWorkerProcess(role: Role, reloads: Reloads): Promise<never> {
  try {
    // renewd has closed all it opened; libraries may hold timers for some seconds more.
    const { config, targets, yes, vantage } = options(role);
    const survey = role === "planner" && !yes ? { onPairsInUse: async () => false } : {};
    process.exit(await runRoles(config, { roles: [role], agentOf: targets, reloads, ...survey, ...vantage }));
  } catch (thrown) {
    const { code, message, facts } = toRenewalError(thrown);
    process.stderr.write(`renewd ${role}: ${code}: ${message}\n${facts.action}\n`);
    process.exit(facts.class === "configuration" ? 2 : 1);
  }
}

interface Options {
  readonly config: string;
  readonly targets: readonly string[];
  readonly yes: boolean;
  readonly vantage: { readonly vantage?: string };
}

const USAGE: Readonly<Partial<Record<Role, string>>> = {
  deployer: " --targets NAME,…",
  planner: " --yes",
  verifier: " --vantage NAME",
};

function options(role: Role): Options {
  const usage = `usage: --config FILE${USAGE[role] ?? ""}`;
  const agent = role === "deployer" ? { targets: { type: "string" } as const } : {};
  const survey = role === "planner" ? { yes: { type: "boolean" } as const } : {};
  const network = role === "verifier" ? { vantage: { type: "string" } as const } : {};
  try {
    const own = { ...agent, ...survey, ...network };
    const { values } = parseArgs({ options: { config: { type: "string", short: "c" }, ...own } });
    const targets = typeof values.targets === "string" ? values.targets.split(",") : [];
    const config = String(values.config ?? processEnvironment("RENEWD_CONFIG") ?? "renewd.yaml");
    const vantage = typeof values.vantage === "string" ? { vantage: values.vantage } : {};
    return { config, targets, yes: values.yes === true, vantage };
  } catch (cause) {
    throw new RenewalError("config.invalid", `${cause instanceof Error ? cause.message : String(cause)} (${usage})`, {
      cause,
    });
  }
}
