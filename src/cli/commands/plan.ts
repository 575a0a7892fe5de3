import type { Command } from "commander";
import { openReader } from "../../compose/index.ts";
import { type Cli, chosen, perform } from "../command.ts";
import { planReport } from "../doors.ts";
import { renderPlan } from "../render/plan.ts";

export function addPlan(program: Command, cli: Cli): void {
  const command = program
    .command("plan")
    .description(
      "Why each certificate is due, or why not, what holds it back and when the planner comes back to it. Changes " +
        "nothing.",
    )
    .argument("[NAME]", "a certificate of the configuration");
  perform(command, cli, async ({ args: [name], output, configFile }) => {
    await using reader = await openReader(configFile);
    const { store, config, clock, services } = reader;
    output.report(
      await planReport(store, chosen(config.certificates, name), clock.now(), services.budget, services.limits),
      renderPlan,
    );
    return "ok";
  });
}
