import type { Command } from "commander";
import { inert } from "../../domain/text.ts";
import { spoken } from "../../reports/instant.ts";
import { type Cli, performAnywhere } from "../command.ts";

interface Options {
  readonly reason: string;
  readonly until?: string;
}

export function addPause(program: Command, cli: Cli): void {
  const command = program
    .command("pause")
    .description(
      "Plan no renewal of a certificate until it is resumed. One in flight goes on; an expired certificate is " +
        "renewed all the same.",
    )
    .argument("<NAME>", "a certificate of the configuration")
    .requiredOption("--reason <text>", "why, shown wherever it is paused")
    .option("--until <when>", "resume by itself: 2d, 12h or a date such as 2026-12-01 (UTC)");
  performAnywhere<Options>(command, cli, async ({ args: [name = ""], options, output, desk }) => {
    const report = await desk.pause({ certificate: name, until: options.until ?? null }, options.reason);
    const { until, inFlight, outlasts } = report;
    output.report(
      report,
      () => `${inert(name)} is paused ${until === null ? "until `renewd resume`" : `until ${spoken(until)}`}`,
    );
    if (inFlight !== null) output.note(`its renewal ${inFlight} is in flight and goes on`);
    if (outlasts !== null)
      output.note(`note: it would renew ${spoken(outlasts.dueAt)} and expires ${spoken(outlasts.expiresAt)}`);
    return "ok";
  });
}
