import type { Command } from "commander";
import { inert } from "../../domain/text.ts";
import { type Cli, performAnywhere } from "../command.ts";
import { reportRenewal, type WaitOptions, waitIfAsked, withWait } from "../renewalOutput.ts";

interface Options extends WaitOptions {
  readonly reason?: string;
}

export function addResume(program: Command, cli: Cli): void {
  const command = program
    .command("resume")
    .description(
      "End what keeps a certificate waiting for a person: a held renewal tries its failed wave again; without " +
        "one, a pause or quarantine ends and the back-off is forgotten.",
    )
    .argument("<NAME>", "a certificate of the configuration, or the id of its held renewal")
    .option("--reason <text>", "why, for the history");
  performAnywhere<Options>(withWait(command), cli, async ({ args: [of = ""], options, output, desk }) => {
    const report = await desk.resume(of, options.reason ?? null);
    if ("generation" in report) return reportRenewal(desk, report, options, output);
    const { certificate, renewalId } = report;
    const next = renewalId === null ? "the planner decides at its next tick" : `renewal ${renewalId} goes on now`;
    output.report(report, () => `${inert(of)} is resumed; ${next}`);
    return waitIfAsked(desk, { certificate, renewalId }, options, output);
  });
}
