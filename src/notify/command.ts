import { z } from "zod";
import { RenewalError } from "../domain/errors.ts";
import type { Notification } from "../domain/notification.ts";
import { plainWords } from "../domain/plainWords.ts";
import type { Plugin } from "../domain/plugin.ts";
import { inertLine, sanitize } from "../domain/text.ts";
import { runProgram, startProblem } from "../process/program.ts";
import type { ChannelDependencies, Send } from "./dependencies.ts";

const TIMEOUT_MS = 30_000;
const SHOWN_CHARS_MAX = 300;

const optionsSchema = z.strictObject({
  command: z
    .tuple([z.string().min(1).max(4096)], z.string().max(4096))
    .describe(
      "Program and arguments, run without a shell, for example sendmail or a pager's own client. The message is " +
        "its standard input. Its environment: PATH, HOME, LANG, TZ, " +
        "RENEWD_NOTIFICATION_ID, RENEWD_SEVERITY, RENEWD_EVENT, RENEWD_CERTIFICATE, RENEWD_RENEWAL, " +
        "RENEWD_MESSAGE, RENEWD_ACTION, RENEWD_ACKNOWLEDGE_URL.",
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
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  // A full or read-only disk is no reason to page nobody.
  const started = { argv: [program, ...args], env, stdin: text, anyStdin: true };
  const fails = (problem: string): RenewalError =>
    new RenewalError("notify.failed", `channel ${channel}: \`${program}\` ${problem}`);
  const end = await runProgram(started, AbortSignal.any([signal, timeout])).catch((error: unknown) => {
    throw fails(`was not started: ${startProblem(error)}`);
  });
  signal.throwIfAborted();
  if (end.code === 0) return;
  throw fails(timeout.aborted ? `did not end within ${TIMEOUT_MS / 1_000} s` : exitProblem(end.code, end.stderr));
}

function exitProblem(code: unknown, stderr: string): string {
  const said = sanitize(plainWords(stderr), SHOWN_CHARS_MAX, "end");
  const length = stderr.trim() === "" ? "" : `: it printed ${stderr.length} characters that are not shown`;
  return `ended with exit code ${code ?? "unknown"}${said === "" ? length : `: ${said}`}`;
}
