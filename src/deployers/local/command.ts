import { access, constants } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { RenewalError } from "../../domain/errors.ts";
import type { ErrorCode } from "../../domain/errorTable.ts";
import type { Secret } from "../../domain/secret.ts";
import { formatDuration } from "../../domain/time.ts";
import { type Ended, runProgram, startProblem } from "../../process/program.ts";
import { sanitizeKnown, unquoted } from "../base/sanitizeAnswer.ts";

export interface Command {
  /** Program and arguments; never through a shell. */
  readonly argv: readonly string[];
  readonly timeoutMs: number;
  /** Beside PATH, HOME, LANG and TZ; the worker's own environment may hold secrets and is not passed on. */
  readonly env?: Readonly<Record<string, string>>;
  /** Masked when the command prints it. */
  readonly secret?: Secret;
  /** The command can read the private key: its output is only counted, never quoted. */
  readonly givenKey?: boolean;
  /**
   * Which lines are shown although the command was given a key: its documented errors, from the first group on if there
   * is one. Of these only words of a list, `known` and paths that exist here (base/sanitizeAnswer.ts).
   */
  readonly errorLine?: RegExp;
  /** Texts that are shown although they may look like a key, such as paths. */
  readonly known?: readonly string[];
  /** What the command reads on stdin, such as a private key that must not be on disk. Never shown. Default: nothing. */
  readonly stdin?: Secret;
  /** What people are shown instead of program and arguments. */
  readonly name?: string;
  /** Exit codes with a meaning of their own. */
  readonly exitCodes?: Readonly<Record<number, ErrorCode>>;
}

/**
 * Runs a command to its end and returns the last 16 KiB of its stdout. Throws the code that `exitCodes` gives, else
 * `deploy.commandFailed`, both with the end of its output unless it was given the key, or `deploy.timeout`. Timeout and
 * abort end its whole process group.
 */
export async function runCommand(command: Command, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted();
  const shown = command.name ?? command.argv.join(" ").slice(0, 200);
  const timeout = AbortSignal.timeout(command.timeoutMs);
  const { argv, env, stdin } = command;
  const program = { argv, stdin: stdin?.reveal(), ...(env !== undefined && { env }) };
  const end = await runProgram(program, AbortSignal.any([signal, timeout])).catch((cause) => {
    throw new RenewalError("deploy.commandFailed", `cannot run \`${shown}\`: ${startProblem(cause)}`, { cause });
  });
  signal.throwIfAborted();
  if (timeout.aborted && end.code !== 0)
    throw new RenewalError("deploy.timeout", `\`${shown}\` did not end within ${formatDuration(command.timeoutMs)}`);
  if (end.code === 0) return end.stdout;
  const how = end.code === null ? `was ended by ${end.killedBy}` : `ended with exit code ${end.code}`;
  const said = await saidBy(command, end);
  const code = command.exitCodes?.[end.code ?? -1] ?? "deploy.commandFailed";
  throw new RenewalError(code, `\`${shown}\` ${how}${said === "" ? "" : `: ${said}`}`);
}

/** Some programs print their errors on stdout, so both count; the end of a long text is what is shown. */
async function saidBy(command: Command, { stdout, stderr, bytes }: Ended): Promise<string> {
  const { givenKey = false, errorLine, known = [], secret = null, stdin = null } = command;
  const all = [stdout, stderr].map((text) => text.trim()).filter((text) => text !== "");
  const secrets = [secret, stdin];
  if (!givenKey) return sanitizeKnown(all.join("\n"), { secrets, known });
  const lines = all.flatMap((text) => text.split("\n")).map((line) => errorLine?.exec(line) ?? null);
  const text = lines.flatMap((match) => (match === null ? [] : [match[1] ?? match.input])).join("\n");
  const paths = await existingPaths(text);
  return sanitizeKnown(text, { secrets, known: [...known, ...paths], givenKey }) || unquoted(bytes);
}

const PATH = /\/[^\s:'"`,;()]+/g;
const PATHS_MAX = 20;

/** What exists of each path in a text, the longest first: no piece of a key is the name of a file by chance. */
async function existingPaths(text: string): Promise<string[]> {
  const named = [...new Set(text.match(PATH) ?? [])].slice(0, PATHS_MAX);
  const found = await Promise.all(named.map(existingPart));
  return found.filter((path) => path !== null).sort((a, b) => b.length - a.length);
}

async function existingPart(path: string): Promise<string | null> {
  for (let part = path.replace(/[/.]+$/, ""); part !== "/" && part !== ""; part = dirname(part)) {
    const exists = await access(part).then(
      () => true,
      () => false,
    );
    if (exists) return part;
  }
  return null;
}

/** For preflight. Throws `deploy.commandFailed` when the program cannot be found. */
export async function checkCommand(program: string): Promise<void> {
  const places = program.includes("/")
    ? [program]
    : (process.env.PATH ?? "").split(delimiter).map((directory) => join(directory, program));
  for (const place of places) {
    const executable = await access(place, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (executable) return;
  }
  throw new RenewalError("deploy.commandFailed", `cannot run \`${program}\`: command not found`);
}
