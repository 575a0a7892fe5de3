import type { Command } from "commander";
import { type Cli, performAnywhere } from "../command.ts";
import { renderShow } from "../render/renewal.ts";

export function addShow(program: Command, cli: Cli): void {
  const command = program
    .command("show")
    .description(
      "The timeline of one renewal: every step with its duration, every attempt, every error with what to do, " +
        "what each address served.",
    )
    .argument("<RENEWAL>", "a renewal's id, or its beginning, or a certificate's name for its latest renewal");
  performAnywhere(command, cli, async ({ args: [id = ""], output, desk }) => {
    output.report(await desk.show(id), renderShow);
    return "ok";
  });
}
