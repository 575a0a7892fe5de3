import type { Command } from "commander";
import { RenewalError } from "../../domain/errors.ts";
import type { CheckReport } from "../../reports/check.ts";
import { type Cli, performAnywhere } from "../command.ts";
import { interruptible } from "../interruptible.ts";
import type { Screen } from "../terminal/style.ts";
import { type Cell, renderTable } from "../terminal/table.ts";

export function addCheck(program: Command, cli: Cli): void {
  const command = program
    .command("check")
    .description(
      "Check what a CA would check, without an order and without writing anything: names, zones and rights at the " +
        "DNS provider, delegation, name servers, DNSSEC, CAA, and whether each name answers over HTTP.",
    )
    .argument("[NAME]", "a certificate of the configuration")
    .option("--all", "every certificate, one after another");
  performAnywhere<{ readonly all?: boolean }>(command, cli, ({ args: [name], options, output, desk }) =>
    interruptible(async (signal) => {
      if ((name === undefined) !== (options.all ?? false))
        throw new RenewalError("request.invalid", "name a certificate or give --all");
      const report = await desk.check(name ?? null, signal);
      output.report(report, render);
      return report.passed ? "ok" : "wrong";
    }),
  );
}

const RESULT = {
  warning: { text: "warning", style: "caution" },
  refused: { text: "refused", style: "wrong" },
} as const satisfies Record<string, Cell>;

function render({ certificates, concerns }: CheckReport, screen: Screen): string {
  const checked = `${certificates.length} certificate${certificates.length === 1 ? "" : "s"} checked`;
  if (concerns.length === 0) return `${checked}: nothing found that would stop an order`;
  const columns = [
    { title: "CERTIFICATE", widthMin: 14 },
    { title: "NAME", widthMin: 16 },
    { title: "CHECK" },
    { title: "RESULT" },
    { title: "", widthMin: 20, wraps: true },
  ];
  const rows = concerns.map(({ certificate, name, check, result, message }): Cell[] => [
    certificate,
    name ?? "",
    check,
    RESULT[result],
    message,
  ]);
  return renderTable(columns, rows, screen).join("\n");
}
