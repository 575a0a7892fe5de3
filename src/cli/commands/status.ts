import type { Command } from "commander";
import { openReader } from "../../compose/index.ts";
import { type Cli, perform } from "../command.ts";
import { statusReport } from "../doors.ts";
import { renderStatus } from "../render/status.ts";

export function addStatus(program: Command, cli: Cli): void {
  const command = program
    .command("status")
    .description(
      "What is wrong, why, what was tried, what comes next and what to do; then what is in flight. Exit code 1 " +
        "when anything needs a person.",
    )
    .option("--all", "show every problem in full instead of one screen");
  perform<{ readonly all?: boolean }>(command, cli, async ({ output, configFile, options }) => {
    await using reader = await openReader(configFile);
    const report = await statusReport(
      reader.store,
      reader.config.certificates,
      reader.clock.now(),
      reader.services.budget,
    );
    output.report(report, (_, screen) => renderStatus(report, screen, options.all));
    return report.needsPerson ? "wrong" : "ok";
  });
}
