import type { Command } from "commander";
import { delegationReport } from "../../compose/index.ts";
import { type Cli, perform } from "../command.ts";
import { interruptible } from "../interruptible.ts";
import { renderDelegation } from "../render/delegation.ts";

/** A part of `renewd challenges`. */
export function addDelegate(challenges: Command, cli: Cli): void {
  const command = challenges
    .command("delegate")
    .description(
      "The CNAME and NS records to create so that renewd's own name server answers for a certificate's names, or for " +
        "one name, and whether DNS has them.",
    )
    .argument("<NAME>", "a certificate of the configuration, or a DNS name");
  perform(command, cli, async ({ args: [name = ""], output, configFile }) => {
    return interruptible(async (signal) => {
      const report = await delegationReport(configFile, name, signal);
      output.report(report, renderDelegation);
      const all = [...report.aliases, ...report.delegation];
      return all.every(({ state }) => state === "right") ? "ok" : "wrong";
    });
  });
}
