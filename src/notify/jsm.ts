import { z } from "zod";
import type { Plugin } from "../domain/plugin.ts";
import { sanitize } from "../domain/text.ts";
import type { ChannelDependencies, Send } from "./dependencies.ts";
import { postJson, secretOption, serviceUrl } from "./post.ts";
import { bySeverity, wordsOf } from "./words.ts";

const PRIORITIES = { page: "P1", warning: "P3", info: "P5", over: "P5" };
const LIMITS = { message: 130, alias: 512, description: 15_000 };

const optionsSchema = z.strictObject({
  apiKey: secretOption.describe("Reference to the API key of an integration of type API."),
  api: serviceUrl
    .default("https://api.atlassian.com/jsm/ops/integration")
    .describe("`https://api.opsgenie.com` for an account that is still Opsgenie's."),
});
type JsmOptions = z.infer<typeof optionsSchema>;

/**
 * Integration events of Jira Service Management, the successor of Opsgenie with the same API
 * (developer.atlassian.com/cloud/jira/service-desk-ops/rest/v2/api-group-integration-events).
 */
export const jsm: Plugin<JsmOptions, ChannelDependencies, Send> = {
  type: "jsm",
  description:
    "Creates an alert in Jira Service Management (formerly Opsgenie), acknowledges it, and closes it when its cause is over.",
  options: optionsSchema,
  keepsAlerts: true,
  takesAcknowledgements: true,
  create:
    ({ apiKey, api }, { channel, secret }) =>
    async (notification, signal) => {
      const { message, body: said, facts, link } = wordsOf(notification);
      const alias = sanitize(`renewd/${notification.alert}`, LIMITS.alias);
      const headers = { authorization: `GenieKey ${(await secret(apiKey)).reveal().trim()}` };
      const end = link === null ? "" : `\nAcknowledge: ${link}`;
      const change = notification.event === "alert.acknowledged" ? "acknowledge" : "close";
      const isChange = notification.resolves || change === "acknowledge";
      const url = isChange
        ? new URL(`${api}/v2/alerts/${encodeURIComponent(alias)}/${change}?identifierType=alias`)
        : new URL(`${api}/v2/alerts`);
      const body = isChange
        ? { source: "renewd", note: message.slice(0, LIMITS.description) }
        : {
            message: sanitize(message, LIMITS.message),
            alias,
            description: said.slice(0, LIMITS.description - end.length) + end,
            priority: bySeverity(notification, PRIORITIES),
            source: "renewd",
            entity: notification.certificate ?? "renewd",
            tags: ["renewd", notification.event],
            details: Object.fromEntries(facts),
          };
      // 404: no such alert is open, so there is nothing to change.
      await postJson({ channel, url, body, headers, taken: isChange ? [404] : [] }, signal);
    },
};
