import type { Command } from "commander";
import type { DialReport } from "../../actions/dial.ts";
import { type Cli, performAnywhere } from "../command.ts";
import { interruptible } from "../interruptible.ts";
import type { Screen } from "../terminal/style.ts";
import { type Cell, renderTable } from "../terminal/table.ts";
import { withAdvice } from "../terminal/text.ts";

export function addDial(program: Command, cli: Cli): void {
  const command = program
    .command("dial")
    .description(
      "One handshake with every address of a certificate's endpoints now, and what each serves. Judges nothing and " +
        "records nothing: verifiers do, all the time. Exit code 1 when an address does not answer.",
    )
    .argument("<NAME>", "a certificate of the configuration");
  performAnywhere(command, cli, ({ args: [name = ""], output, desk }) =>
    interruptible(async (signal) => {
      const report = await desk.dial(name, signal);
      output.report(report, render);
      return report.passed ? "ok" : "wrong";
    }),
  );
}

const RESULT = {
  passed: "answers",
  failed: { text: "failed", style: "wrong" },
  notChecked: { text: "not judged", style: "caution" },
} as const satisfies Record<string, Cell>;

function render({ steps }: DialReport, screen: Screen): string {
  if (steps.length === 0) return "the certificate has no endpoints";
  const columns = [{ title: "ENDPOINT", widthMin: 16 }, { title: "RESULT" }, { title: "", widthMin: 20, wraps: true }];
  const rows = steps.map(({ step, result, message, action }): Cell[] => [
    step.replace(/^endpoint /, ""),
    RESULT[result],
    withAdvice(message, action),
  ]);
  return renderTable(columns, rows, screen).join("\n");
}
