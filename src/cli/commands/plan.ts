import type { Command } from "commander";
import { openViewer } from "../../compose/index.ts";
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
    await using viewer = await openViewer(configFile);
    const { store, certificates, clock, budget, limits } = viewer;
    output.report(await planReport(store, chosen(certificates, name), clock.now(), budget, limits), renderPlan);
    return "ok";
  });
}
