import type { Command } from "commander";
import { durationOption } from "../../domain/writtenTime.ts";
import type { HorizonReport } from "../../reports/horizon.ts";
import { fromNow, spoken } from "../../reports/instant.ts";
import { type Cli, performAnywhere } from "../command.ts";
import type { Screen } from "../terminal/style.ts";
import { type Cell, renderTable } from "../terminal/table.ts";

export function addHorizon(program: Command, cli: Cli): void {
  const command = program
    .command("horizon")
    .description(
      "What else ends and breaks renewals then: API tokens, client certificates, domain registrations, DNSSEC " +
        "signatures and what `horizon:` of the configuration declares.",
    )
    .option("--within <duration>", "only what ends within this time, such as 90d");
  performAnywhere<{ readonly within?: string }>(command, cli, async ({ options, output, desk }) => {
    const withinMs = options.within === undefined ? null : durationOption("--within", options.within);
    const report = await desk.horizon(withinMs);
    output.report(report, render);
    return report.ends.some(({ endsAt }) => endsAt !== null && endsAt <= report.at) ? "wrong" : "ok";
  });
}

function render({ ends, at }: HorizonReport, screen: Screen): string {
  if (ends.length === 0) return "nothing is known to end; a planner looks a minute after it has started";
  const rows = ends.map(({ subject, what, endsAt, note, owner, runbook, problem }): Cell[] => [
    endsAt === null ? "–" : spoken(endsAt),
    endsAt === null ? "–" : endsAt <= at ? { text: fromNow(endsAt, at), style: "wrong" } : fromNow(endsAt, at),
    subject,
    what,
    [...[owner === null ? null : `owner ${owner}`, note, problem === null ? null : `not read: ${problem}`], runbook]
      .filter((each) => each !== null)
      .join("; "),
  ]);
  return renderTable(
    [
      { title: "ENDS" },
      { title: "LEFT" },
      { title: "OF", widthMin: 12 },
      { title: "WHAT", widthMin: 10 },
      { title: "", widthMin: 12, wraps: true, dropOrder: 1 },
    ],
    rows,
    screen,
  ).join("\n");
}
