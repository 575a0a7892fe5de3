import { existsSync } from "node:fs";
import type { Command } from "commander";
import type { Reloads } from "../compose/reloads.ts";
import { processEnvironment } from "../config/read/environment.ts";
import { suggestion } from "../config/read/suggestions.ts";
import type { Certificate } from "../domain/certificate.ts";
import { RenewalError } from "../domain/errors.ts";
import { EXIT, type Exit } from "./exit.ts";
import { createOutput, type Output, type Stream } from "./output.ts";

/** One run of the program. */
export interface Cli {
  readonly stdout: Stream;
  readonly stderr: Stream;
  /** For the commands that run roles; absent in tests that call a command as a function. */
  readonly reloads?: Reloads;
  /** Set by the command that ran. */
  exitCode: number;
}

/** What a command is called with. */
export interface CommandCall<Options> {
  readonly args: readonly string[];
  readonly options: Options;
  readonly configFile: string;
  readonly output: Output;
}

export interface GlobalOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly color: boolean;
}

/** Where the configuration is looked for when neither option nor environment name it. */
export const DEFAULT_CONFIG_FILES = ["renewd.yaml", "/etc/renewd/renewd.yaml"] as const;

/** Lets `work` answer a command; how it ends becomes the exit code. */
export function perform<Options = object>(
  command: Command,
  cli: Cli,
  work: (call: CommandCall<Options>) => Promise<Exit>,
): Command {
  return command.action(async () => {
    const options = command.optsWithGlobals<Options & GlobalOptions>();
    const output = outputOf(cli, options);
    const configFile = options.config ?? processEnvironment("RENEWD_CONFIG") ?? defaultConfigFile();
    cli.exitCode = EXIT[await work({ args: command.args, options, configFile, output })].code;
  });
}

/** The first that exists. `init` creates the first. */
function defaultConfigFile(): string {
  return DEFAULT_CONFIG_FILES.find((file) => existsSync(file)) ?? DEFAULT_CONFIG_FILES[0];
}

export function outputOf(cli: Cli, { json = false, color = true }: Partial<GlobalOptions>): Output {
  return createOutput(cli, { json, color });
}

/** The certificates a command is about: the named one, or all. Throws `request.invalid` with the nearest name. */
export function chosen(certificates: readonly Certificate[], name: string | undefined): readonly Certificate[] {
  return name === undefined ? certificates : [certificateNamed(certificates, name)];
}

export function certificateNamed(certificates: readonly Certificate[], name: string): Certificate {
  const found = certificates.find((certificate) => certificate.name === name);
  if (found !== undefined) return found;
  const known = certificates.map((certificate) => certificate.name);
  throw new RenewalError(
    "request.invalid",
    `certificate "${name.slice(0, 80)}" is not configured${suggestion(name, known)}`,
  );
}
