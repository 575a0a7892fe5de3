import { z } from "zod";
import type { Plugin } from "../domain/plugin.ts";
import type { ChannelDependencies, Send } from "./dependencies.ts";
import { postJson, secretOption, secureAddressOf } from "./post.ts";
import { bySeverity, wordsOf } from "./words.ts";

const COLOURS = { page: "attention", warning: "warning", info: "default", over: "good" };

const optionsSchema = z.strictObject({
  url: secretOption.describe(
    'Reference to the URL of a Teams workflow that begins with "When a Teams webhook request is received" and posts the card.',
  ),
});
type TeamsOptions = z.infer<typeof optionsSchema>;

/**
 * An Adaptive Card in the message that workflows of Teams take (learn.microsoft.com, "Create incoming webhooks with
 * Workflows"). The older connectors, which showed `text`, were switched off in 2026.
 */
export const teams: Plugin<TeamsOptions, ChannelDependencies, Send> = {
  type: "teams",
  description: "Posts an Adaptive Card to a workflow of Microsoft Teams.",
  options: optionsSchema,
  create:
    (options, { channel, secret }) =>
    async (notification, signal) => {
      const { message, action, facts, at, link } = wordsOf(notification);
      const block = (text: string, more: object = {}): object => ({
        type: "TextBlock",
        text: plain(text),
        wrap: true,
        ...more,
      });
      const card = {
        $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
        type: "AdaptiveCard",
        version: "1.4",
        msteams: { width: "Full" },
        body: [
          block(message, { weight: "bolder", color: bySeverity(notification, COLOURS) }),
          ...(action === null ? [] : [block(`What to do: ${action}`)]),
          {
            type: "FactSet",
            facts: [...facts, ["At", at] as const].map(([title, value]) => ({ title, value: plain(value) })),
          },
        ],
        ...(link !== null && { actions: [{ type: "Action.OpenUrl", title: "Acknowledge", url: link }] }),
      };
      const attachment = { contentType: "application/vnd.microsoft.card.adaptive", contentUrl: null, content: card };
      const url = secureAddressOf(channel, (await secret(options.url)).reveal());
      await postJson({ channel, url, body: { type: "message", attachments: [attachment] } }, signal);
    },
};

/** Cards read a part of Markdown: links, emphasis and lists. `<at>` is a mention. */
function plain(text: string): string {
  return text
    .replaceAll("](", "] (")
    .replace(/[*_`~]/g, "\\$&")
    .replaceAll("<", "‹")
    .replaceAll(">", "›");
}
