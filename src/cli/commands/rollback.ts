import type { Command } from "commander";
import { openContext } from "../../compose/index.ts";
import { type Cli, perform } from "../command.ts";
import { rollBackRenewal } from "../doors.ts";
import { reportRenewal, type WaitOptions, withWait } from "../renewalOutput.ts";
import { requestedBy } from "../requestedBy.ts";
import { silentLog } from "../silentLog.ts";

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
  perform<Options>(withWait(command), cli, async ({ args: [of = ""], options, output, configFile }) => {
    await using app = await openContext(configFile, { log: silentLog });
    const renewal = await rollBackRenewal(app.context, { of, why: options.reason ?? null, by: requestedBy() });
    return await reportRenewal(app, renewal, options, output);
  });
}
