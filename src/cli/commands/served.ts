import type { Command } from "commander";
import { type Cli, performAnywhere } from "../command.ts";
import { renderDiff, renderServed } from "../render/served.ts";

interface Options {
  readonly at?: string;
}

const ADDRESS = "a host, address or server name that renewd dials, with or without its port";

export function addServed(program: Command, cli: Cli): void {
  const command = program
    .command("served")
    .description(
      "What an address served, by change: since when, until when, with its whole chain. Also what is only watched.",
    )
    .argument("<ADDRESS>", ADDRESS)
    .option("--at <when>", "what it served then: 2026-05-04T03:12Z, or 3d for that long ago");
  performAnywhere<Options>(command, cli, async ({ args: [address = ""], options, output, desk }) => {
    output.report(await desk.served({ address, at: options.at ?? null }), renderServed);
    return "ok";
  });
}

export function addDiff(program: Command, cli: Cli): void {
  const command = program
    .command("diff")
    .description(
      "What differs between what two addresses served, or one at two instants: names, issuer, dates, key, chain. " +
        "Exit code 1 when something does.",
    )
    .argument("<A>", `${ADDRESS}, and @ with an instant: www.example.org@2026-05-04T03:12Z; without one, now`)
    .argument("<B>", "the same");
  performAnywhere(command, cli, async ({ args: [one = "", other = ""], output, desk }) => {
    const report = await desk.servedDiff({ one, other });
    output.report(report, renderDiff);
    return report.same ? "ok" : "wrong";
  });
}
