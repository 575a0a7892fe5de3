import type { Command } from "commander";
import type { StatusReport } from "../../reports/status.ts";
import { type Cli, performAnywhere } from "../command.ts";
import { renderStatus } from "../render/status.ts";
import { withConfigFile } from "../withConfigFile.ts";

export function addStatus(program: Command, cli: Cli): void {
  const command = program
    .command("status")
    .description(
      "What is wrong, why, what was tried, what comes next and what to do; then what is in flight. Exit code 1 " +
        "when anything needs a person.",
    )
    .option("--all", "show every problem in full instead of one screen");
  performAnywhere<{ readonly all?: boolean; readonly config?: string }>(
    command,
    cli,
    async ({ output, options, desk }) => {
      const found = await desk.status();
      // Of a renewd elsewhere, the advice is for its own machine.
      const report = desk.server === null ? typed(found, options.config) : found;
      output.report(report, (_, screen) => renderStatus(report, screen, options.all));
      return report.needsPerson ? "wrong" : "ok";
    },
  );
}

function typed(report: StatusReport, config: string | undefined): StatusReport {
  const withFile = (advice: string): string => withConfigFile(advice, config);
  return {
    ...report,
    notices: report.notices.map((each) => ({ ...each, action: withFile(each.action) })),
    problems: report.problems.map((each) => ({ ...each, actions: each.actions.map(withFile) })),
  };
}
