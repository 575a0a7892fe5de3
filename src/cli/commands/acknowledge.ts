import type { Command } from "commander";
import { inert } from "../../domain/text.ts";
import { spoken } from "../../reports/instant.ts";
import { type Cli, performAnywhere } from "../command.ts";

interface Options {
  readonly reason?: string;
  readonly until: string;
  readonly withdraw?: boolean;
}

export function addAcknowledge(program: Command, cli: Cli): void {
  const command = program
    .command("acknowledge")
    .description(
      "Say that a finding of `status` was seen and can wait: it stays visible, but is not red. A new kind of problem " +
        "of the same certificate is red again.",
    )
    .argument("<FINDING>", "a certificate with problems, or the id of a notice (`renewd status --json`)")
    .option("--reason <text>", "why it can wait, shown with it")
    .option("--until <when>", "red again then: 2d, 12h or a date such as 2026-12-01 (UTC)", "7d")
    .option("--withdraw", "it cannot wait after all");
  performAnywhere<Options>(command, cli, async ({ args: [subject = ""], options, output, desk }) => {
    const report = options.withdraw
      ? await desk.withdrawAcknowledgement(subject)
      : await desk.acknowledge({ subject, until: options.until }, options.reason ?? null);
    output.report(report, ({ until }) =>
      until === null
        ? `${inert(subject)} is no longer acknowledged`
        : `${inert(subject)} is acknowledged until ${spoken(until)}`,
    );
    return "ok";
  });
}
