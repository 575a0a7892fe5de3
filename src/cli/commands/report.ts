import type { Command } from "commander";
import { weekInWords } from "../../reports/weekWords.ts";
import { type Cli, performAnywhere } from "../command.ts";

export function addReport(program: Command, cli: Cli): void {
  const command = program
    .command("report")
    .description(
      "What happened, and what is open and ends next: the text that `report:` of the configuration mails every week.",
    )
    .requiredOption("--week", "of the last seven days");
  performAnywhere(command, cli, async ({ output, desk }) => {
    output.report(await desk.week(), (report) => weekInWords(report).text.trimEnd());
    return "ok";
  });
}
