import type { Command } from "commander";
import type { Plugins } from "../../config/schema/registries.ts";
import { type Cli, perform } from "../command.ts";
import { loadPlugins } from "../doors.ts";
import { renderTable } from "../terminal/table.ts";
import { addAcmeShScript } from "./acmeShScript.ts";

/** `renewd targets --json`, `renewd solvers --json` and `renewd channels --json`. */
export interface KindsReport {
  readonly version: 1;
  readonly kinds: readonly { readonly type: string; readonly description: string }[];
}

export function addTargets(program: Command, cli: Cli): void {
  addKinds(
    program.command("targets").description("The kinds of targets that this renewd can deploy to."),
    cli,
    "deployers",
  );
}

export function addSolvers(program: Command, cli: Cli): void {
  const solvers = program.command("solvers").description("The kinds of challenge solvers that this renewd has.");
  addKinds(solvers, cli, "solvers");
  addAcmeShScript(solvers, cli);
}

export function addChannels(program: Command, cli: Cli): void {
  addKinds(
    program.command("channels").description("The kinds of channels by which this renewd can notify people."),
    cli,
    "channels",
  );
}

function addKinds(command: Command, cli: Cli, registry: keyof Plugins): void {
  perform(command, cli, async ({ output }) => {
    const kinds = (await loadPlugins())[registry].map(({ type, description }) => ({ type, description }));
    const report: KindsReport = { version: 1, kinds };
    output.report(report, (_, screen) => {
      const columns = [{ title: "TYPE" }, { title: "WHAT IT DOES", widthMin: 20, wraps: true }];
      return renderTable(
        columns,
        kinds.map(({ type, description }) => [type, description]),
        screen,
      ).join("\n");
    });
    return "ok";
  });
}
