import { isIP } from "node:net";
import { z } from "zod";
import { RenewalError } from "../domain/errors.ts";
import { isLoopback } from "../domain/loopback.ts";
import type { Notification } from "../domain/notification.ts";
import type { Plugin } from "../domain/plugin.ts";
import type { ChannelDependencies, Send } from "./dependencies.ts";
import { secretOption } from "./post.ts";
import { wordsOf } from "./words.ts";

const CONNECT_TIMEOUT_MS = 10_000;
const SILENCE_TIMEOUT_MS = 20_000;
/** RFC 6409 and RFC 8314. */
const PORTS = { starttls: 587, implicit: 465, none: 25 } as const;
/** Answers to the message itself (RFC 5321 §4.2.3): another attempt would get the same. */
const MESSAGE_REFUSED: readonly number[] = [552, 554];

const address = z.email().max(254);

const optionsSchema = z
  .strictObject({
    host: z.string().min(1).max(253).describe("The mail server that takes the messages."),
    port: z.int().min(1).max(65_535).optional().describe("Default: 587, or 465 with `tls: implicit`."),
    tls: z
      .enum(["starttls", "implicit", "none"])
      .default("starttls")
      .describe(
        "`starttls`: demanded after the greeting. `implicit`: from the first byte. `none`: only on this machine.",
      ),
    username: z.string().min(1).max(255).optional().describe("For servers that ask who sends."),
    password: secretOption.optional().describe("Reference to its password."),
    sender: address.describe("The sender's address."),
    to: z.array(address).min(1).max(50).describe("Who gets the messages."),
  })
  .refine(({ tls, host }) => tls !== "none" || isLoopback(host), {
    path: ["tls"],
    message: "`none` would send messages and passwords unencrypted to another machine: leave it out",
  })
  .refine(({ username, password }) => (username === undefined) === (password === undefined), {
    path: ["username"],
    message: "needs `password`, and the other way round",
  });
type SmtpOptions = z.infer<typeof optionsSchema>;

export const smtp: Plugin<SmtpOptions, ChannelDependencies, Send> = {
  type: "smtp",
  description: "Sends mail through a mail server.",
  options: optionsSchema,
  create(options, dependencies) {
    const taken = { id: "", by: [] };
    return (notification, signal) => sendMail({ ...options, taken }, dependencies, notification, signal);
  },
};

/** Who has the last message already: when it is sent again because others were put off, it is not sent to them. */
interface Taken {
  id: string;
  by: readonly string[];
}

async function sendMail(
  options: SmtpOptions & { readonly taken: Taken },
  dependencies: ChannelDependencies,
  notification: Notification,
  signal: AbortSignal,
): Promise<void> {
  const { host, sender, to, taken } = options;
  const { id } = notification;
  const had = taken.id === id ? taken.by : [];
  const envelope = { from: sender, to: to.filter((each) => !had.includes(each)) };
  const about = `channel ${dependencies.channel}: ${host}`;
  const transport = await transportOf(options, dependencies);
  signal.throwIfAborted();
  const sent = await transport
    .sendMail({ from: sender, to: [...to], envelope, ...mailOf(notification, sender) })
    .catch((error: unknown) => {
      signal.throwIfAborted();
      const isHopeless = isRefused(error) || (had.length > 0 && isForGood(error));
      throw new RenewalError(isHopeless ? "notify.refused" : "notify.failed", `${about} ${problemOf(error)}`);
    })
    .finally(() => transport.close());
  const refusals = sent.rejectedErrors ?? [];
  if (refusals.length === 0) return;
  Object.assign(taken, { id, by: to.filter((each) => had.includes(each) || !sent.rejected.includes(each)) });
  // Those who were put off, as greylisting does, get it at the next attempt.
  throw new RenewalError(
    refusals.every(isForGood) ? "notify.refused" : "notify.failed",
    `${about} ${problemOf(refusals[0])} for ${refusals.length} of ${to.length} recipients; the others have the message`,
  );
}

async function transportOf({ host, port, tls, username, password }: SmtpOptions, { secret }: ChannelDependencies) {
  const auth =
    username === undefined || password === undefined
      ? {}
      : { auth: { user: username, pass: (await secret(password)).reveal() } };
  // 100 kB that most installations never need.
  const { createTransport } = await import("nodemailer");
  return createTransport({
    host,
    port: port ?? PORTS[tls],
    secure: tls === "implicit",
    requireTLS: tls === "starttls",
    ignoreTLS: tls === "none",
    ...(isIP(host) === 0 && { tls: { servername: host } }),
    ...auth,
    connectionTimeout: CONNECT_TIMEOUT_MS,
    greetingTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_TIMEOUT_MS,
    // What a stranger wrote must not make it read a file or fetch a URL.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
}

interface Mail {
  readonly subject: string;
  readonly text: string;
  /** Beside `text`, as its alternative (RFC 2046 §5.1.4). */
  readonly html?: string;
  readonly messageId: string;
  readonly date: Date;
  readonly priority: "high" | "normal";
  readonly headers: Record<string, string>;
}

/** One that is sent again has the same Message-ID, by which mail programs see that it is the same. */
function mailOf(notification: Notification, from: string): Mail {
  const { title, message, action, facts, at, link } = wordsOf(notification);
  const { id, severity, event } = notification;
  const common = {
    messageId: `<renewd-${id}@${from.split("@").at(-1)}>`,
    date: new Date(notification.at),
    // RFC 3834 §5: no vacation notice answers it.
    headers: { "Auto-Submitted": "auto-generated", "X-Renewd-Severity": severity, "X-Renewd-Event": event },
  };
  const { report } = notification;
  if (report !== undefined) {
    const { title: subject, text, html } = report;
    return { ...common, subject, text, html, priority: "normal" };
  }
  const paragraphs = [
    message,
    ...(action === null ? [] : [`What to do: ${action}`]),
    ...(link === null ? [] : [`Acknowledge: ${link}`]),
    [...facts, ["At", at] as const].map(([name, value]) => `${name}: ${value}`).join("\n"),
  ];
  return {
    ...common,
    subject: title,
    text: `${paragraphs.join("\n\n")}\n`,
    priority: severity === "page" ? "high" : "normal",
  };
}

interface MailProblem {
  readonly code?: unknown;
  readonly responseCode?: unknown;
  readonly command?: unknown;
}

function isRefused(error: MailProblem | unknown): boolean {
  const { code, responseCode } = factsOf(error);
  return code === "EMESSAGE" && typeof responseCode === "number" && MESSAGE_REFUSED.includes(responseCode);
}

/** Replies from 500 on are permanent (RFC 5321 §4.2.1). */
function isForGood(error: unknown): boolean {
  const { responseCode } = factsOf(error);
  return typeof responseCode === "number" && responseCode >= 500;
}

/** The server's own words are left out: some repeat what they were sent. */
function problemOf(error: unknown): string {
  const { code, responseCode, command } = factsOf(error);
  if (code === "EAUTH")
    return `refuses username or password${typeof responseCode === "number" ? ` (${responseCode})` : ""}`;
  if (code === "ETLS") return "offers no TLS, or a certificate that is not trusted";
  if (typeof responseCode === "number")
    return `answered ${responseCode}${typeof command === "string" ? ` to ${command}` : ""}`;
  if (code === "EDNS") return "has no address";
  return code === "ETIMEDOUT" ? "did not answer in time" : "could not be reached";
}

function factsOf(error: unknown): MailProblem {
  return typeof error === "object" && error !== null ? error : {};
}
