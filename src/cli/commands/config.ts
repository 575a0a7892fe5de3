import type { Command } from "commander";
import { checkSurroundings, loadWhole } from "../../compose/index.ts";
import type { ConfigProblem } from "../../config/read/problems.ts";
import { toRenewalError } from "../../domain/errors.ts";
import { inert } from "../../domain/text.ts";
import { type Cli, perform } from "../command.ts";
import { configJsonSchema, loadConfig, loadPlugins } from "../doors.ts";
import { interruptible } from "../interruptible.ts";
import type { Output } from "../output.ts";

/** `renewd config check --json`. */
export interface ConfigCheckReport {
  readonly version: 1;
  readonly file: string;
  readonly valid: boolean;
  readonly problems: readonly ConfigProblem[];
  /** What still works but should be written in another way. */
  readonly notes: readonly ConfigProblem[];
  readonly certificates: number;
  /** What a process would meet on this machine; empty with `--offline`. */
  readonly surroundings: readonly {
    /** Such as `target edge` or `http-01 responder`. */
    readonly subject: string;
    readonly code: string;
    readonly message: string;
    readonly action: string;
  }[];
}

export function addConfig(program: Command, cli: Cli): void {
  const config = program.command("config").description("Check the configuration, or print its JSON Schema.");
  addCheck(config, cli);
  addSchema(config, cli);
}

function addCheck(config: Command, cli: Cli): void {
  const command = config
    .command("check")
    .description(
      "Print every mistake with file, line and column (exit code 2), then what start-up and deploying would meet on this " +
        "machine: directories, ports, secrets, Redis, PostgreSQL, each target's preflight (exit code 1).",
    )
    .option(
      "--offline",
      "the file alone, without the certificates that the database defines: needs no secret, no network and none of the targets, as in CI",
    );
  perform<{ readonly offline?: boolean }>(command, cli, ({ output, configFile, options: { offline = false } }) =>
    interruptible(async (signal) => {
      const result = offline
        ? await loadConfig(configFile, { secrets: "unread", stored: "unread" })
        : await loadWhole(configFile).catch((thrown: unknown) => withoutDatabase(configFile, thrown, output));
      const faults = result.ok && !offline ? await checkSurroundings(result.config, signal) : [];
      const notes = result.ok ? result.config.notes : [];
      const report: ConfigCheckReport = {
        version: 1,
        file: configFile,
        valid: result.ok,
        problems: result.ok ? [] : result.problems,
        notes,
        certificates: result.ok ? result.config.certificates.length : 0,
        surroundings: faults.map(({ subject, error: { code, message, facts } }) => ({
          ...{ subject, code, message, action: facts.action },
        })),
      };
      output.report(report, renderCheck);
      for (const note of notes) output.note(lineOf(note));
      if (!result.ok) return "usage";
      return faults.length === 0 ? "ok" : "wrong";
    }),
  );
}

/** The file is right or wrong whether or not the database answers. */
async function withoutDatabase(configFile: string, thrown: unknown, output: Output): ReturnType<typeof loadConfig> {
  const { message } = toRenewalError(thrown);
  output.note(`the certificates that the database defines are not checked: ${message}`);
  return loadConfig(configFile, { stored: "unread" });
}

function addSchema(config: Command, cli: Cli): void {
  const command = config
    .command("schema")
    .description(
      "Print the JSON Schema of the configuration for editors, with the options of every kind of target and solver.",
    );
  perform(command, cli, async ({ output }) => {
    // The schema is JSON either way; it has its own `$schema`, so that `--json` changes nothing.
    output.document(await configJsonSchema(await loadPlugins()));
    return "ok";
  });
}

function renderCheck({ file, problems, certificates, surroundings }: ConfigCheckReport): string {
  if (problems.length > 0) return problems.map(lineOf).join("\n");
  const count = `${certificates} certificate${certificates === 1 ? "" : "s"}`;
  if (surroundings.length === 0) return `${inert(file)}: no mistakes; ${count}`;
  const faults = surroundings.flatMap(({ subject, message, action, code }) => [
    // Some messages begin with what they are about.
    message.startsWith(`${subject}: `) ? inert(message) : `${inert(subject)}: ${inert(message)}`,
    `  what to do: ${action} [${code}]`,
  ]);
  return [`${inert(file)}: no mistakes in the file; ${count}; this machine is not ready for it:`, ...faults].join("\n");
}

function lineOf({ file, line, column, message }: ConfigProblem): string {
  return inert(`${file}${line === 0 ? "" : `:${line}:${column}`}: ${message}`);
}
