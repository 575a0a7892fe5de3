import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { z } from "zod";
import { RenewalError } from "../domain/errors.ts";
import type { Notification } from "../domain/notification.ts";
import { plainWords } from "../domain/plainWords.ts";
import type { Plugin } from "../domain/plugin.ts";
import { inertLine, sanitize } from "../domain/text.ts";
import { childStdin } from "../process/stdin.ts";
import type { ChannelDependencies, Send } from "./dependencies.ts";

const TIMEOUT_MS = 30_000;
const CLOSE_AFTER_EXIT_MS = 500;
/** A window of a key may look like words; more of it does not. */
const OUTPUT_CHARS_MAX = 16 * 1024;
const SHOWN_CHARS_MAX = 300;

const optionsSchema = z.strictObject({
  command: z
    .tuple([z.string().min(1).max(4096)], z.string().max(4096))
    .describe(
      "Program and arguments, run without a shell, for example sendmail or a pager's own client. The message is " +
        "its standard input. Its environment: PATH, HOME, LANG, TZ, " +
        "RENEWD_NOTIFICATION_ID, RENEWD_SEVERITY, RENEWD_EVENT, RENEWD_CERTIFICATE, RENEWD_RENEWAL, " +
        "RENEWD_MESSAGE, RENEWD_ACTION.",
    ),
});

type CommandOptions = z.infer<typeof optionsSchema>;

export const command: Plugin<CommandOptions, ChannelDependencies, Send> = {
  type: "command",
  description: "Runs a program with the message on its standard input.",
  options: optionsSchema,
  create:
    (options, { channel }) =>
    (notification, signal) =>
      run(options, channel, notification, signal),
};

async function run(
  { command: [program, ...args] }: CommandOptions,
  channel: string,
  notification: Notification,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const { id, severity, event, certificate, renewalId, acknowledgeUrl = "" } = notification;
  // An environment variable cannot hold a NUL, and scripts take a line break for the end.
  const message = inertLine(notification.message);
  const action = inertLine(notification.action ?? "");
  const env = {
    ...inherited(),
    RENEWD_NOTIFICATION_ID: id,
    RENEWD_SEVERITY: severity,
    RENEWD_EVENT: event,
    RENEWD_CERTIFICATE: certificate ?? "",
    RENEWD_RENEWAL: renewalId ?? "",
    RENEWD_MESSAGE: message,
    RENEWD_ACTION: action,
    RENEWD_ACKNOWLEDGE_URL: acknowledgeUrl,
  };
  const link = acknowledgeUrl === "" ? "" : `Acknowledge: ${acknowledgeUrl}\n`;
  const text = `${message}\n${action === "" ? "" : `What to do: ${action}\n`}${link}`;
  const problem = await runProgram({ program, args, env, text }, signal);
  signal.throwIfAborted();
  if (problem !== null) throw new RenewalError("notify.failed", `channel ${channel}: \`${program}\` ${problem}`);
}

interface Program {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Its standard input. */
  readonly text: string;
}

/** What went wrong; null: nothing. */
async function runProgram({ program, args, env, text }: Program, signal: AbortSignal): Promise<string | null> {
  // A full or read-only disk is no reason to page nobody: then Node's own pipe, which is a socket, must do.
  using stdin = await childStdin(text).catch(() => null);
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const child = spawn(program, args, {
    env,
    signal: AbortSignal.any([signal, timeout]),
    stdio: [stdin?.stdio ?? "pipe", "ignore", "pipe"],
  });
  stdin?.started();
  // A program that does not read its input has ended before it was written.
  child.stdin?.on("error", () => {});
  child.stdin?.end(text);
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    stderr = (stderr + chunk).slice(-OUTPUT_CHARS_MAX);
  });
  try {
    const [code] = await once(child, "exit");
    if (child.stderr !== null) await ended(child.stderr);
    return code === 0 ? null : exitProblem(code, stderr);
  } catch (error) {
    return timeout.aborted ? `did not end within ${TIMEOUT_MS / 1_000} s` : startProblem(error);
  }
}

/** A daemon that the program left behind keeps the pipe open. */
async function ended(output: Readable): Promise<void> {
  if (output.closed) return;
  await once(output, "close", { signal: AbortSignal.timeout(CLOSE_AFTER_EXIT_MS) }).catch(() => output.destroy());
}

function exitProblem(code: unknown, stderr: string): string {
  const said = sanitize(plainWords(stderr), SHOWN_CHARS_MAX, "end");
  const length = stderr.trim() === "" ? "" : `: it printed ${stderr.length} characters that are not shown`;
  return `ended with exit code ${code ?? "unknown"}${said === "" ? length : `: ${said}`}`;
}

function startProblem(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (code === "ENOENT") return "is not found";
  if (code === "EACCES") return "may not be executed";
  return "could not be started";
}

/** The worker's own environment may hold secrets and is not passed on. */
function inherited(): Record<string, string> {
  return Object.fromEntries(
    ["PATH", "HOME", "LANG", "TZ"].flatMap((name) =>
      process.env[name] === undefined ? [] : [[name, process.env[name]]],
    ),
  );
}
