import type { Command } from "commander";
import { openReader } from "../../compose/index.ts";
import { type Cli, chosen, perform } from "../call.ts";
import { planReport, renderPlan } from "../reports/plan.ts";

export function addPlan(program: Command, cli: Cli): void {
  const command = program
    .command("plan")
    .description("Why each certificate is due, or why not, what holds it back and when the planner comes back to it. Changes nothing.")
    .argument("[NAME]", "a certificate of the configuration");
  perform(command, cli, async ({ args: [name], output, configFile }) => {
    await using reader = await openReader(configFile);
    output.report(await planReport(reader.store, chosen(reader.config.certificates, name), reader.clock.now(), reader.estate.budget), renderPlan);
    return "ok";
  });
}
