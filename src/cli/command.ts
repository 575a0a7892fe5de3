import { statSync } from "node:fs";
import type { Command } from "commander";
import { certificateNamed } from "../actions/context.ts";
import { trustSystemAuthorities } from "../compose/index.ts";
import type { Reloads } from "../compose/reloads.ts";
import { processEnvironment } from "../config/read/environment.ts";
import type { Certificate } from "../domain/certificate.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Desk } from "./desk/desk.ts";
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
  /** False: nobody is to be asked anything. */
  readonly input: boolean;
  readonly server?: string;
  readonly token?: string;
}

/** Where the configuration is looked for when neither option nor environment name it. */
export const DEFAULT_CONFIG_FILES = ["renewd.yaml", "/etc/renewd/renewd.yaml"] as const;

/** Lets `work` answer a command; how it ends becomes the exit code. It works on renewd's machine only. */
export function perform<Options = object>(
  command: Command,
  cli: Cli,
  work: (call: CommandCall<Options>) => Promise<Exit>,
): Command {
  return command.action(async () => {
    const call = callOf<Options>(command, cli);
    if (call.options.server !== undefined) throw new RenewalError("request.invalid", localOnly(pathOf(command)));
    cli.exitCode = EXIT[await work(call)].code;
  });
}

/** As `perform`, for what also works on a renewd elsewhere: with `--server`, or RENEWD_SERVER in the environment. */
export function performAnywhere<Options = object>(
  command: Command,
  cli: Cli,
  work: (call: CommandCall<Options> & { readonly desk: Desk }) => Promise<Exit>,
): Command {
  return command.action(async () => {
    const call = callOf<Options>(command, cli);
    const server = call.options.server ?? processEnvironment("RENEWD_SERVER");
    const open = async (): Promise<Desk> => {
      if (server === undefined)
        return (await import("./desk/inForce.ts")).deskInForce(call.configFile, (text) => call.output.note(text));
      const token = call.options.token ?? processEnvironment("RENEWD_TOKEN");
      if (server.startsWith("https:")) await trustSystemAuthorities();
      return (await import("./desk/remote.ts")).remoteDesk({ server, token });
    };
    await using desk = await open();
    cli.exitCode = EXIT[await work({ ...call, desk })].code;
  });
}

/** Such as `audit verify`. */
function pathOf(command: Command): string {
  return command.parent === null ? "" : `${pathOf(command.parent)} ${command.name()}`.trim();
}

/** Why a command takes no `--server`, by the first word of its path. */
const WHY_LOCAL: Readonly<Record<string, string>> = {
  discover: "it reads files there, and dials from there",
  run: "it starts processes there",
  worker: "it starts processes there",
  certificates: "it is checked with the files there",
  open: "a link that signs a browser in is for the readers of the data directory there",
  import: "it reads a private key, which no command sends over the network",
  challenges: "it asks DNS from where renewd answers",
  backup: "it writes a file there",
  restore: "it fills the database itself",
  store: "it works on the database itself",
  audit: "only somebody there may decide about it",
  init: "it writes a configuration there",
  config: "it reads files there",
};

function localOnly(path: string): string {
  const why = WHY_LOCAL[path.split(" ", 1)[0] ?? ""];
  if (why === undefined) return `--server: \`renewd ${path}\` asks no renewd, so leave it out`;
  return `--server: \`renewd ${path}\` works on renewd's own machine only: ${why}`;
}

function callOf<Options>(command: Command, cli: Cli): CommandCall<Options & GlobalOptions> {
  const options = command.optsWithGlobals<Options & GlobalOptions>();
  const output = outputOf(cli, options);
  const configFile = options.config ?? processEnvironment("RENEWD_CONFIG") ?? defaultConfigFile();
  return { args: command.args, options, configFile, output };
}

/** The first that exists. `init` creates the first. */
export function defaultConfigFile(files: readonly string[] = DEFAULT_CONFIG_FILES): string {
  return files.find(mayExist) ?? DEFAULT_CONFIG_FILES[0];
}

/** One that this user may not look at is not missing: reading it says what to do, and not that `init` writes one. */
function mayExist(file: string): boolean {
  try {
    return statSync(file, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

export function outputOf(cli: Cli, { json = false, color = true }: Partial<GlobalOptions>): Output {
  return createOutput(cli, { json, color });
}

/** The certificates a command is about: the named one, or all. Throws `request.invalid` with the nearest name. */
export function chosen(certificates: readonly Certificate[], name: string | undefined): readonly Certificate[] {
  return name === undefined ? certificates : [certificateNamed(certificates, name)];
}
