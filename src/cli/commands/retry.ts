import type { Command } from "commander";
import { inert } from "../../domain/text.ts";
import { type Cli, performAnywhere } from "../command.ts";
import { reportRenewal, type WaitOptions, waitIfAsked, withWait } from "../renewalOutput.ts";

interface Options extends WaitOptions {
  readonly reason?: string;
}

export function addRetry(program: Command, cli: Cli): void {
  const command = program
    .command("retry")
    .description(
      "Try again now, past any back-off, without issuing another certificate: same order, same generation. " +
        "Without a renewal in flight, the planner decides at its next tick.",
    )
    .argument("<NAME>", "a certificate of the configuration, or the id of its renewal")
    .option("--reason <text>", "why, for the history");
  performAnywhere<Options>(withWait(command), cli, async ({ args: [of = ""], options, output, desk }) => {
    const report = await desk.retry(of, options.reason ?? null);
    if ("generation" in report) return reportRenewal(desk, report, options, output);
    output.report(report, () => `${inert(of)} has no renewal in flight; the planner decides at its next tick`);
    return waitIfAsked(desk, { certificate: report.certificate, renewalId: null }, options, output);
  });
}
