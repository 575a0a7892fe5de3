import { createHmac } from "node:crypto";
import { z } from "zod";
import { RenewalError } from "../domain/errors.ts";
import type { EventType } from "../domain/event.ts";
import type { Notification, Severity } from "../domain/notification.ts";
import type { Plugin } from "../domain/plugin.ts";
import type { Responsibility } from "../domain/responsibility.ts";
import type { Secret } from "../domain/secret.ts";
import { inertLine } from "../domain/text.ts";
import { isoInstant } from "../domain/time.ts";
import { chatText } from "./chatText.ts";
import type { ChannelDependencies, Send } from "./dependencies.ts";
import { addressOf, postJson, secretOption } from "./post.ts";

/** `whsec_` and 24 to 64 bytes in base64 (standardwebhooks.com). */
const SIGNING_SECRET = /^whsec_([A-Za-z0-9+/]{32,88}={0,2})$/;

const optionsSchema = z.strictObject({
  url: secretOption.describe(
    "Reference to the URL that is posted to: incoming webhooks of chats and pagers hold their secret in it.",
  ),
  signing: secretOption
    .optional()
    .describe(
      "Reference to a signing secret (`whsec_` and base64). Each post then has the headers `webhook-id`, " +
        "`webhook-timestamp` and `webhook-signature` of Standard Webhooks, so that the receiver can check who sent it.",
    ),
});

type WebhookOptions = z.infer<typeof optionsSchema>;

export const webhook: Plugin<WebhookOptions, ChannelDependencies, Send> = {
  type: "webhook",
  description:
    "Posts JSON (docs/json.md, NotificationBody); its `text` is what incoming webhooks of Slack, Mattermost, Teams and Google Chat show.",
  options: optionsSchema,
  create: (options, dependencies) => (notification, signal) => post(options, dependencies, notification, signal),
};

/** The body that a `webhook` channel posts. One may arrive twice, with the same `id`: keep one. */
export interface NotificationBody {
  /** Of this message, also when it is sent again; in the headers `idempotency-key` and `webhook-id` as `renewd-ID`. */
  readonly id: string;
  /** When it happened, ISO 8601 in UTC. */
  readonly at: string;
  /** `page`: a person is needed now. */
  readonly severity: Severity;
  /** The type of the event in the history; `test` comes from `renewd notify`. */
  readonly event: EventType | "test";
  /** Its name in the configuration; null: it is about renewd itself. */
  readonly certificate: string | null;
  /** What `renewd show` takes; null: it is about no renewal. */
  readonly renewalId: string | null;
  /** null: it is about no target. */
  readonly target: string | null;
  /** One line. It may quote a CA, a target or an endpoint. */
  readonly message: string;
  /** What the reader should do; null: nothing. */
  readonly action: string | null;
  /** What it is about, such as `certificate/www`: messages about the same are one alert. */
  readonly alert: string;
  /** What earlier messages about it reported is over. */
  readonly resolves: boolean;
  /** Owner, team, labels, criticality and runbook of what it is about; null: it is about renewd itself. */
  readonly responsibility: Responsibility | null;
  /** Which channels of the configuration are sent it; absent: all that want its severity. */
  readonly channels?: readonly string[];
  /** Short facts for people, by their name. */
  readonly more?: Readonly<Record<string, string>>;
  /** A page that acknowledges it without signing in; good once, and for a day. */
  readonly acknowledgeUrl?: string;
  /** Severity, message and action in one text, as chats show it; nothing in it mentions people or links elsewhere. */
  readonly text: string;
}

async function post(
  { url, signing }: WebhookOptions,
  { channel, secret }: ChannelDependencies,
  notification: Notification,
  signal: AbortSignal,
): Promise<void> {
  const { action: advice, severity, at, more, acknowledge: _, severityBefore: __, ...ids } = notification;
  const [message, action] = [inertLine(notification.message), advice === null ? null : inertLine(advice)];
  const link = notification.acknowledgeUrl === undefined ? "" : `\nAcknowledge: ${notification.acknowledgeUrl}`;
  const text = chatText(`[${severity}] ${message}${action === null ? "" : `\nWhat to do: ${action}`}${link}`);
  const facts =
    more === undefined ? {} : { more: Object.fromEntries(more.map(([name, value]) => [name, inertLine(value)])) };
  const shown = { ...ids, text, severity, message, action, at: isoInstant(at), ...facts } satisfies NotificationBody;
  const body = JSON.stringify(shown);
  const address = addressOf(channel, (await secret(url)).reveal());
  const id = `renewd-${ids.id}`;
  const signed = signing === undefined ? {} : signature(channel, await secret(signing), id, body);
  await postJson({ channel, url: address, body, headers: { "idempotency-key": id, ...signed } }, signal);
}

/**
 * Standard Webhooks 1.0: HMAC-SHA-256 of id, time and body. The time is that of this attempt: receivers refuse old
 * ones.
 */
function signature(channel: string, secret: Secret, id: string, body: string): Record<string, string> {
  const key = SIGNING_SECRET.exec(secret.reveal().trim())?.[1];
  if (key === undefined)
    throw new RenewalError(
      "config.secret",
      `channel ${channel}: its \`signing\` does not refer to \`whsec_\` and 24 to 64 bytes in base64`,
    );
  const timestamp = String(Math.floor(Date.now() / 1_000));
  const mac = createHmac("sha256", Buffer.from(key, "base64")).update(`${id}.${timestamp}.${body}`).digest("base64");
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": `v1,${mac}` };
}
