import type { Command } from "commander";
import type { RehearseReport } from "../../actions/rehearse.ts";
import { RenewalError } from "../../domain/errors.ts";
import { type Cli, performAnywhere } from "../command.ts";
import type { Screen } from "../terminal/style.ts";
import { type Cell, renderTable } from "../terminal/table.ts";
import { withAdvice } from "../terminal/text.ts";

export function addRehearse(program: Command, cli: Cli): void {
  const command = program
    .command("rehearse")
    .description(
      "Try everything a renewal does but touch production: an order at the CA's staging directory with the same " +
        "solver, each target's preflight (may renewd write there, the server's own configuration test, the right to " +
        "reload it), and a handshake with every endpoint. http-01 needs a running ACME worker. What could not be " +
        "tried, such as the order at a CA without a staging directory, is listed as not checked.",
    )
    .argument("[NAME]", "a certificate of the configuration")
    .option("--all", "every certificate, one after another");
  performAnywhere<{ readonly all?: boolean }>(command, cli, async ({ args: [name], options, output, desk }) => {
    if ((name === undefined) !== (options.all ?? false))
      throw new RenewalError("request.invalid", "name a certificate or give --all");
    const report = await desk.rehearse(name ?? null, null);
    output.report(report, render);
    return report.passed ? "ok" : "wrong";
  });
}

const RESULT = {
  passed: "passed",
  failed: { text: "failed", style: "wrong" },
  notChecked: { text: "not checked", style: "caution" },
} as const satisfies Record<string, Cell>;

function render({ steps }: RehearseReport, screen: Screen): string {
  if (steps.length === 0) return "no certificates are configured";
  const columns = [
    { title: "CERTIFICATE", widthMin: 14 },
    { title: "STEP" },
    { title: "RESULT" },
    { title: "", widthMin: 20, wraps: true },
  ];
  const rows = steps.map(({ certificate, step, result, message, action }): Cell[] => [
    certificate,
    step,
    RESULT[result],
    withAdvice(message, action),
  ]);
  return renderTable(columns, rows, screen).join("\n");
}
