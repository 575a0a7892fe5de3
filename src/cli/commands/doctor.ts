import type { Command } from "commander";
import { examine } from "../../compose/index.ts";
import { type Cli, perform } from "../command.ts";
import { interruptible } from "../interruptible.ts";
import { renderDoctor } from "../render/doctor.ts";

export function addDoctor(program: Command, cli: Cli): void {
  const command = program
    .command("doctor")
    .description(
      "Check everything renewd needs, and say how to fix what is wrong: configuration, secrets, file modes, disk, " +
        "database, Redis, CAs, clock, names, targets, ports, channels, and processes with an old configuration. " +
        "Changes nothing. Exit code 1 when a check failed.",
    );
  perform(command, cli, ({ output, configFile }) =>
    interruptible(async (signal) => {
      const report = await examine(configFile, signal);
      output.report(report, renderDoctor);
      return report.healthy ? "ok" : "wrong";
    }),
  );
}
