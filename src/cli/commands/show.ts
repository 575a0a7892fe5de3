import type { Command } from "commander";
import { openViewer } from "../../compose/index.ts";
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
    .argument("<RENEWAL>", "a renewal's id, or its beginning, or a certificate's name for its latest renewal");
  perform(command, cli, async ({ args: [id = ""], output, configFile }) => {
    await using viewer = await openViewer(configFile);
    const configured = viewer.certificates.map(({ name }) => name);
    output.report(await showReport(viewer.store, id, configured, viewer.clock.now()), renderShow);
    return "ok";
  });
}
