import type { ClientChannel } from "ssh2";
import { RenewalError } from "../../domain/errors.ts";
import { collect } from "../../process/program.ts";
import { unquoted } from "../base/sanitizeAnswer.ts";
import type { SshConnection } from "./connection.ts";

export interface RemoteCommand {
  readonly argv: readonly string[];
  readonly timeoutMs: number;
}

/** SSH passes one line to the remote shell (RFC 4254 §6.5), so each word is quoted for a POSIX shell. */
export function quoteForShell(argv: readonly string[]): string {
  return argv
    .map((word) => (/^[A-Za-z0-9_@%+:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(" ");
}

interface Ended {
  readonly code: number | null;
  readonly killedBy: string | null;
  /** Of its standard output, the end. */
  readonly stdout: string;
  /** Length of all its output. */
  readonly bytes: number;
}

const TOOL_TIMEOUT_MS = 10_000;

/** A program that is given no key. null: it failed, or the account may run none. Its end is bounded. */
export async function askTool(
  connection: SshConnection,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<string | null> {
  const line = quoteForShell(["env", "LC_ALL=C", ...argv]);
  const end = await runLine(connection, line, TOOL_TIMEOUT_MS, signal).catch((error: unknown) => {
    signal.throwIfAborted();
    if (error instanceof RenewalError && error.code === "deploy.unreachable") throw error;
    return null;
  });
  return end?.code === 0 ? end.stdout : null;
}

/**
 * The command can read the key that was put in place, so its output is only counted. Throws `deploy.commandFailed` or
 * `deploy.timeout`. On timeout and abort the server is
 * asked to end the command (RFC 4254 §6.9). OpenSSH does so for every user but root; a command of root keeps running.
 */
export async function runRemote(
  connection: SshConnection,
  { argv, timeoutMs }: RemoteCommand,
  signal: AbortSignal,
): Promise<void> {
  const line = quoteForShell(argv);
  const shown = `${line.slice(0, 200)}\` on ${connection.name}`;
  const ended = await runLine(connection, line, timeoutMs, signal).catch((error: unknown) => {
    if (!(error instanceof Error) || error instanceof RenewalError || signal.aborted) throw error;
    throw new RenewalError("deploy.commandFailed", `cannot run \`${shown}: the server refused`, { cause: error });
  });
  if (ended.code === 0) return;
  const how =
    ended.code === null ? `was ended by ${ended.killedBy ?? "the server"}` : `ended with exit code ${ended.code}`;
  throw new RenewalError("deploy.commandFailed", `\`${shown} ${how}: ${unquoted(ended.bytes)}`);
}

async function runLine(
  connection: SshConnection,
  line: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Ended> {
  let channel: ClientChannel | null = null;
  return await connection
    .ask<Ended>(
      `end \`${line.slice(0, 200)}\``,
      (done) =>
        connection.client.exec(line, (error, opened) => {
          if (error) return done(error, NOT_RUN);
          channel = opened;
          watch(opened, done);
        }),
      signal,
      timeoutMs,
    )
    .catch((error: unknown) => {
      channel?.signal("TERM");
      channel?.close();
      throw error;
    });
}

const NOT_RUN: Ended = { code: null, killedBy: null, stdout: "", bytes: 0 };

function watch(channel: ClientChannel, done: (error: null, ended: Ended) => void): void {
  const stdout = collect(channel);
  const stderr = collect(channel.stderr);
  let how: Pick<Ended, "code" | "killedBy"> = NOT_RUN;
  channel.once("exit", (code: number | null, killedBy?: string) => {
    how = { code, killedBy: killedBy ?? null };
  });
  // Its standard input is empty.
  channel.end();
  channel.once("close", () => done(null, { ...how, stdout: stdout.text(), bytes: stdout.bytes() + stderr.bytes() }));
}
