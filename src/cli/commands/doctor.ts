import type { Command } from "commander";
import { type Cli, performAnywhere } from "../command.ts";
import { interruptible } from "../interruptible.ts";
import { renderDoctor } from "../render/doctor.ts";
import { withConfigFile } from "../withConfigFile.ts";

export function addDoctor(program: Command, cli: Cli): void {
  const command = program
    .command("doctor")
    .description(
      "Check everything renewd needs, and say how to fix what is wrong: configuration, secrets, file modes, disk, " +
        "database, Redis, CAs, clock, names, targets, ports, channels, and processes with an old configuration. " +
        "Changes nothing. Exit code 1 when a check failed.",
    );
  performAnywhere<{ readonly config?: string }>(command, cli, ({ output, options, desk }) =>
    interruptible(async (signal) => {
      const found = await desk.doctor(signal);
      // Of a renewd elsewhere, the advice is for its own machine.
      const config = desk.server === null ? options.config : undefined;
      const fixed = (fix: string | null): string | null => fix && withConfigFile(fix, config);
      const report = { ...found, checks: found.checks.map((check) => ({ ...check, fix: fixed(check.fix) })) };
      output.report(report, renderDoctor);
      return report.healthy ? "ok" : "wrong";
    }),
  );
}
