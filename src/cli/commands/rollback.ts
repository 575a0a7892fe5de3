import type { Command } from "commander";
import { type Cli, performAnywhere } from "../command.ts";
import { reportRenewal, type WaitOptions, withWait } from "../renewalOutput.ts";

interface Options extends WaitOptions {
  readonly reason?: string;
}

export function addRollback(program: Command, cli: Cli): void {
  const command = program
    .command("rollback")
    .description(
      "Put the last pair that was proved live and is still valid back everywhere, and prove it. While a new one " +
        "is due, it is tried again after a day at the latest.",
    )
    .argument("<RENEWAL>", "a renewal's id, or the name of its certificate")
    .option("--reason <text>", "why, for the history");
  performAnywhere<Options>(withWait(command), cli, async ({ args: [of = ""], options, output, desk }) =>
    reportRenewal(desk, await desk.rollBack(of, options.reason ?? null), options, output),
  );
}
