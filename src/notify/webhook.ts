import { z } from "zod";
import { RenewalError } from "../domain/errors.ts";
import type { EventType } from "../domain/event.ts";
import type { Notification, Severity } from "../domain/notification.ts";
import type { Plugin } from "../domain/plugin.ts";
import { parseSecretReference, SECRET_REFERENCE, SECRET_REFERENCE_ADVICE } from "../domain/secretReference.ts";
import { inertLine } from "../domain/text.ts";
import { chatText } from "./chatText.ts";
import type { ChannelDependencies, Send } from "./dependencies.ts";

const TIMEOUT_MS = 10_000;

const optionsSchema = z.strictObject({
  url: z
    .string()
    .regex(SECRET_REFERENCE, { error: SECRET_REFERENCE_ADVICE, abort: true })
    .transform(parseSecretReference)
    .describe("Reference to the URL that is posted to: incoming webhooks of chats and pagers hold their secret in it."),
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
  /** The event's sequence number; also in the header `idempotency-key`, as `renewd-ID`. */
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
  /** Severity, message and action in one text, as chats show it; nothing in it mentions people or links elsewhere. */
  readonly text: string;
}

async function post(
  { url }: WebhookOptions,
  { channel, secret }: ChannelDependencies,
  notification: Notification,
  signal: AbortSignal,
): Promise<void> {
  const { action: advice, severity, at, ...ids } = notification;
  const [message, action] = [inertLine(notification.message), advice === null ? null : inertLine(advice)];
  const text = chatText(`[${severity}] ${message}${action === null ? "" : `\nWhat to do: ${action}`}`);
  const shown = { ...ids, text, severity, message, action, at: new Date(at).toISOString() } satisfies NotificationBody;
  const body = JSON.stringify(shown);
  const address = addressOf(channel, (await secret(url)).reveal());
  const headers = { "content-type": "application/json", "user-agent": "renewd", "idempotency-key": `renewd-${ids.id}` };
  const limited = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  let status: number;
  try {
    // A redirect could send the message anywhere.
    const answer = await fetch(address, { method: "POST", headers, body, redirect: "manual", signal: limited });
    await answer.body?.cancel();
    ({ status } = answer);
  } catch {
    signal.throwIfAborted();
    // The error's own text may hold the URL, which is a secret.
    throw new RenewalError(
      "notify.failed",
      `channel ${channel}: ${address.host} did not answer${limited.aborted ? ` within ${TIMEOUT_MS / 1_000} s` : ""}`,
    );
  }
  if (status >= 200 && status < 300) return;
  // 404 and 410 end when a person corrects the URL's secret. 400, 413 and 422 are about this one message.
  throw new RenewalError(
    status === 400 || status === 413 || status === 422 ? "notify.refused" : "notify.failed",
    `channel ${channel}: ${address.host} answered ${status}`,
  );
}

function addressOf(channel: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && (url.protocol === "https:" || url.protocol === "http:")) return url;
  throw new RenewalError("config.secret", `channel ${channel}: its \`url\` does not refer to an http or https URL`);
}
