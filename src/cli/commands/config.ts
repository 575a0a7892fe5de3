import type { Command } from "commander";
import type { ConfigProblem } from "../../config/read/problems.ts";
import { inert } from "../../domain/text.ts";
import { type Cli, perform } from "../command.ts";
import { configJsonSchema, loadConfig, registries } from "../doors.ts";

/** `renewd config check --json`. */
export interface ConfigCheckReport {
  readonly version: 1;
  readonly file: string;
  readonly valid: boolean;
  readonly problems: readonly ConfigProblem[];
  /** What still works but should be written in another way. */
  readonly notes: readonly ConfigProblem[];
  readonly certificates: number;
}

export function addConfig(program: Command, cli: Cli): void {
  const config = program.command("config").description("Check the configuration, or print its JSON Schema.");
  addCheck(config, cli);
  addSchema(config, cli);
}

function addCheck(config: Command, cli: Cli): void {
  const command = config
    .command("check")
    .description("Print every mistake with file, line and column. Exit code 2 when there is one.");
  perform(command, cli, async ({ output, configFile }) => {
    const result = await loadConfig(configFile);
    const problems = result.ok ? [] : result.problems;
    const certificates = result.ok ? result.config.certificates.length : 0;
    const notes = result.ok ? result.config.notes : [];
    const report: ConfigCheckReport = { version: 1, file: configFile, valid: result.ok, problems, notes, certificates };
    output.report(report, renderCheck);
    for (const note of notes) output.note(lineOf(note));
    return result.ok ? "ok" : "usage";
  });
}

function addSchema(config: Command, cli: Cli): void {
  const command = config
    .command("schema")
    .description(
      "Print the JSON Schema of the configuration for editors, with the options of every kind of target and solver.",
    );
  perform(command, cli, async ({ output }) => {
    // The schema is JSON either way; it has its own `$schema`, so that `--json` changes nothing.
    output.document(await configJsonSchema(await registries()));
    return "ok";
  });
}

function renderCheck({ file, problems, certificates }: ConfigCheckReport): string {
  if (problems.length === 0)
    return `${inert(file)}: no mistakes; ${certificates} certificate${certificates === 1 ? "" : "s"}`;
  return problems.map(lineOf).join("\n");
}

function lineOf({ file, line, column, message }: ConfigProblem): string {
  return inert(`${file}${line === 0 ? "" : `:${line}:${column}`}: ${message}`);
}
