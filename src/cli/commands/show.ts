import type { Command } from "commander";
import { openReader } from "../../compose/index.ts";
import { type Cli, perform } from "../command.ts";
import { showReport } from "../doors.ts";
import { renderShow } from "../render/renewal.ts";

export function addShow(program: Command, cli: Cli): void {
  const command = program
    .command("show")
    .description(
      "The timeline of one renewal: every step with its duration, every attempt, every error with what to do, " +
        "what each address served.",
    )
    .argument("<RENEWAL>", "a renewal's id, or its beginning");
  perform(command, cli, async ({ args: [id = ""], output, configFile }) => {
    await using reader = await openReader(configFile);
    output.report(await showReport(reader.store, id, reader.clock.now()), renderShow);
    return "ok";
  });
}
