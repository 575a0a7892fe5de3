import type { Command } from "commander";
import { type Cli, performAnywhere } from "../command.ts";
import { renderPlan } from "../render/plan.ts";

export function addPlan(program: Command, cli: Cli): void {
  const command = program
    .command("plan")
    .description(
      "Why each certificate is due, or why not, what holds it back and when the planner comes back to it. Changes " +
        "nothing.",
    )
    .argument("[NAME]", "a certificate of the configuration");
  performAnywhere(command, cli, async ({ args: [name], output, desk }) => {
    output.report(await desk.plan(name ?? null), renderPlan);
    return "ok";
  });
}
