import type { Command } from "commander";
import type { TargetCheckReport } from "../../actions/checks.ts";
import { RenewalError } from "../../domain/errors.ts";
import { inert } from "../../domain/text.ts";
import type { CheckReport } from "../../reports/check.ts";
import { type Cli, performAnywhere } from "../command.ts";
import { interruptible } from "../interruptible.ts";
import { paint, type Screen } from "../terminal/style.ts";
import { type Cell, renderTable } from "../terminal/table.ts";

export function addCheck(program: Command, cli: Cli): void {
  const command = program
    .command("check")
    .description(
      "Check what a CA would check, without an order and without writing anything: names, zones and rights at the " +
        "DNS provider, delegation, name servers, DNSSEC, CAA, and whether each name answers over HTTP.",
    )
    .argument("[NAME]", "a certificate of the configuration")
    .option("--all", "every certificate, one after another")
    .option("--target <name>", "instead of names: whether this target can be deployed to, without touching it")
    .option("--reason <text>", "why, for the history");
  performAnywhere<CheckOptions>(command, cli, ({ args: [name], options, output, desk }) =>
    interruptible(async (signal) => {
      if (options.target !== undefined) {
        if (name !== undefined || options.all === true)
          throw new RenewalError("request.invalid", "--target is about a target: leave out the certificate and --all");
        const report = await desk.checkTarget(options.target, options.reason ?? null);
        output.report(report, renderTarget);
        return report.passed ? "ok" : "wrong";
      }
      if ((name === undefined) !== (options.all ?? false))
        throw new RenewalError("request.invalid", "name a certificate or give --all");
      const report = await desk.check(name ?? null, signal);
      output.report(report, render);
      return report.passed ? "ok" : "wrong";
    }),
  );
}

interface CheckOptions {
  readonly all?: boolean;
  readonly target?: string;
  readonly reason?: string;
}

function renderTarget({ target, passed, message, error }: TargetCheckReport, screen: Screen): string {
  const verdict = passed ? paint(screen, "strong", "ready") : paint(screen, "wrong", "not ready");
  const advice = error === null ? [] : [inert(error.action)];
  return [`${inert(target)}: ${verdict}: ${inert(message)}`, ...advice].join("\n");
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
