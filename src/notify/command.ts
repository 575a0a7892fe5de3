import { execFile } from "node:child_process";
import { z } from "zod";
import { RenewalError } from "../domain/errors.ts";
import type { Notification } from "../domain/notification.ts";
import type { Plugin } from "../domain/plugin.ts";
import { sanitize } from "../domain/text.ts";
import type { ChannelDependencies, Send } from "./dependencies.ts";

const TIMEOUT_MS = 30_000;
const OUTPUT_CHARS_MAX = 300;

const optionsSchema = z.strictObject({
  command: z
    .tuple([z.string().min(1).max(4096)], z.string().max(4096))
    .describe(
      "Program and arguments, run without a shell, for example sendmail or a pager's own client. The message is its standard input. Its environment: PATH, HOME, LANG, TZ, " +
        "RENEWD_NOTIFICATION_ID, RENEWD_SEVERITY, RENEWD_EVENT, RENEWD_CERTIFICATE, RENEWD_RENEWAL, RENEWD_MESSAGE, RENEWD_ACTION.",
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

function run(
  { command: [program, ...args] }: CommandOptions,
  channel: string,
  notification: Notification,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const { id, severity, event, certificate, renewalId, message, action } = notification;
  const env = {
    ...inherited(),
    RENEWD_NOTIFICATION_ID: id,
    RENEWD_SEVERITY: severity,
    RENEWD_EVENT: event,
    RENEWD_CERTIFICATE: certificate ?? "",
    RENEWD_RENEWAL: renewalId ?? "",
    RENEWD_MESSAGE: message,
    RENEWD_ACTION: action ?? "",
  };
  return new Promise((resolve, reject) => {
    const child = execFile(
      program,
      args,
      { env, signal, timeout: TIMEOUT_MS, maxBuffer: 1024 * 1024, shell: false },
      (error, _stdout, stderr) => {
        if (error === null) resolve();
        else if (signal.aborted) reject(signal.reason);
        else reject(new RenewalError("notify.failed", `channel ${channel}: \`${program}\` ${problem(error, stderr)}`));
      },
    );
    // A program that does not read its input has ended before it was written.
    child.stdin?.on("error", () => {});
    child.stdin?.end(`${message}\n${action === null ? "" : `What to do: ${action}\n`}`);
  });
}

function problem(
  error: Error & { readonly code?: string | number | null; readonly killed?: boolean },
  stderr: string,
): string {
  if (error.code === "ENOENT") return "is not found";
  if (error.code === "EACCES") return "may not be executed";
  if (error.killed) return `did not end within ${TIMEOUT_MS / 1_000} s`;
  const said = sanitize(stderr, OUTPUT_CHARS_MAX, "end");
  return `ended with exit code ${error.code ?? "unknown"}${said === "" ? "" : `: ${said}`}`;
}

/** The worker's own environment may hold secrets and is not passed on. */
function inherited(): Record<string, string> {
  return Object.fromEntries(
    ["PATH", "HOME", "LANG", "TZ"].flatMap((name) =>
      process.env[name] === undefined ? [] : [[name, process.env[name]]],
    ),
  );
}
