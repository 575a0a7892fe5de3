import type { Command } from "commander";
import { openContext } from "../../compose/index.ts";
import { inert } from "../../domain/text.ts";
import { type Cli, perform } from "../command.ts";
import { retryNow } from "../doors.ts";
import { reportRenewal, type WaitOptions, withWait } from "../renewalOutput.ts";
import { requestedBy } from "../requestedBy.ts";
import { silentLog } from "../silentLog.ts";

interface Options extends WaitOptions {
  readonly reason?: string;
}

/** `renewd retry --json` of a certificate without a renewal in flight. */
export interface RetryReport {
  readonly version: 1;
  readonly certificate: string;
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
  perform<Options>(withWait(command), cli, async ({ args: [of = ""], options, output, configFile }) => {
    await using app = await openContext(configFile, { log: silentLog });
    const renewal = await retryNow(app.context, { of, why: options.reason ?? null, by: requestedBy() });
    if (renewal !== null) return await reportRenewal(app, renewal, options, output);
    const report: RetryReport = { version: 1, certificate: of };
    output.report(report, () => `${inert(of)} has no renewal in flight; the planner decides at its next tick`);
    return "ok";
  });
}
