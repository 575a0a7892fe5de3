import { z } from "zod";
import type { Plugin } from "../domain/plugin.ts";
import { sanitize } from "../domain/text.ts";
import type { ChannelDependencies, Send } from "./dependencies.ts";
import { postJson, secretOption, serviceUrl } from "./post.ts";
import { bySeverity, wordsOf } from "./words.ts";

const SEVERITIES = { page: "critical", warning: "warning", info: "info", over: "info" };
const LIMITS = { summary: 1_024, key: 255 };

const optionsSchema = z.strictObject({
  routingKey: secretOption.describe("Reference to the integration key of a service or of an event orchestration."),
  source: z.string().min(1).max(255).default("renewd").describe("What PagerDuty shows as the source."),
  api: serviceUrl
    .default("https://events.pagerduty.com")
    .describe("`https://events.eu.pagerduty.com` for accounts in Europe."),
});
type PagerDutyOptions = z.infer<typeof optionsSchema>;

/** Events API v2 (developer.pagerduty.com/docs/events-api-v2): one incident per alert; its own escalation stops when it is acknowledged. */
export const pagerduty: Plugin<PagerDutyOptions, ChannelDependencies, Send> = {
  type: "pagerduty",
  description: "Triggers an incident in PagerDuty, acknowledges it, and resolves it when its cause is over.",
  options: optionsSchema,
  keepsAlerts: true,
  takesAcknowledgements: true,
  create:
    ({ routingKey, source, api }, { channel, secret }) =>
    async (notification, signal) => {
      const { message, action, at, facts, link } = wordsOf(notification);
      const key = { routing_key: (await secret(routingKey)).reveal().trim(), dedup_key: dedupKey(notification.alert) };
      const ended = notification.event === "alert.acknowledged" ? "acknowledge" : "resolve";
      const body =
        notification.resolves || ended === "acknowledge"
          ? { ...key, event_action: ended }
          : {
              ...key,
              event_action: "trigger",
              client: "renewd",
              ...(link !== null && { links: [{ href: link, text: "Acknowledge" }] }),
              payload: {
                summary: sanitize(message, LIMITS.summary),
                source,
                severity: bySeverity(notification, SEVERITIES),
                timestamp: at,
                component: notification.certificate ?? "renewd",
                class: notification.event,
                custom_details: { action, ...Object.fromEntries(facts) },
              },
            };
      await postJson({ channel, url: new URL(`${api}/v2/enqueue`), body }, signal);
    },
};

function dedupKey(alert: string): string {
  return sanitize(`renewd/${alert}`, LIMITS.key);
}
