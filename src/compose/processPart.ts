import type { Config } from "../config/config.ts";
import { processEnvironment } from "../config/read/environment.ts";
import { RenewalError } from "../domain/errors.ts";

/** Without `agent: true` its jobs would go to other deployers as well. */
export function checkAgent(config: Config, agentOf: readonly string[]): void {
  for (const name of agentOf) {
    const target = config.targets.get(name);
    if (target === undefined) {
      const known = [...config.targets.keys()].join(", ");
      throw new RenewalError(
        "config.invalid",
        `--targets: "${name.slice(0, 80)}" is not defined under \`targets\` in ${config.file}; there are: ` +
          `${known || "none"}`,
      );
    }
    if (!target.agent)
      throw new RenewalError(
        "config.invalid",
        `--targets: target "${name}" has no agent of its own; set \`targets.${name}.agent: true\` in ` +
          `${config.file}, everywhere`,
      );
  }
}

/**
 * The network that this process's verifier dials from; null: it has no name. A name that no endpoint asks for would
 * leave it without work, and nobody would know why.
 */
export function vantageOf(
  { file, vantages, vantage }: Pick<Config, "file" | "vantages" | "vantage">,
  asked: string | undefined,
): string | null {
  const fromEnvironment = processEnvironment("RENEWD_VANTAGE");
  const name = asked ?? fromEnvironment ?? vantage;
  if (name === null || vantages.includes(name)) return name;
  throw new RenewalError(
    "config.invalid",
    `${asked === undefined ? "RENEWD_VANTAGE" : "--vantage"}: "${name.slice(0, 80)}" is not listed under \`vantages\` ` +
      `in ${file}; there are: ${vantages.join(", ") || "none"}`,
  );
}
