import { z } from "zod";
import type { Plugin } from "../domain/plugin.ts";
import { sanitize } from "../domain/text.ts";
import { chatText } from "./chatText.ts";
import type { ChannelDependencies, Send } from "./dependencies.ts";
import { postJson, secretOption, secureAddressOf } from "./post.ts";
import { bySeverity, wordsOf } from "./words.ts";

/** Of the text of a section and of a context element (docs.slack.dev/reference/block-kit). */
const TEXT_MAX = 3_000;
const ICONS = {
  page: ":rotating_light:",
  warning: ":warning:",
  info: ":information_source:",
  over: ":white_check_mark:",
};

const optionsSchema = z.strictObject({
  url: secretOption.describe(
    "Reference to the URL of an incoming webhook of Slack, or of a server that speaks as Slack does.",
  ),
});
type SlackOptions = z.infer<typeof optionsSchema>;

/** Incoming webhooks with Block Kit (docs.slack.dev/messaging/sending-messages-using-incoming-webhooks). */
export const slack: Plugin<SlackOptions, ChannelDependencies, Send> = {
  type: "slack",
  description: "Posts a message with blocks to an incoming webhook of Slack.",
  options: optionsSchema,
  create: (options, dependencies) => async (notification, signal) => {
    const { channel, secret } = dependencies;
    const { message, action, body: said, facts, link } = wordsOf(notification);
    const section = (markdown: string): object => ({
      type: "section",
      text: { type: "mrkdwn", text: sanitizeLines(markdown) },
    });
    const body = {
      text: sanitizeLines(chatText(said)),
      unfurl_links: false,
      unfurl_media: false,
      blocks: [
        section(`${bySeverity(notification, ICONS)} *${starless(chatText(message))}*`),
        ...(action === null ? [] : [section(`What to do: ${chatText(action)}`)]),
        ...(link === null
          ? []
          : [{ type: "section", text: { type: "mrkdwn", text: `<${link.replaceAll("&", "&amp;")}|Acknowledge>` } }]),
        {
          type: "context",
          elements: [
            {
              type: "mrkdwn",
              text: sanitizeLines(facts.map(([name, value]) => `${name}: ${chatText(value)}`).join("  ·  ")),
            },
          ],
        },
      ],
    };
    const url = secureAddressOf(channel, (await secret(options.url)).reveal());
    await postJson({ channel, url, body }, signal);
  },
};

function sanitizeLines(text: string): string {
  return text
    .split("\n")
    .map((line) => sanitize(line, TEXT_MAX))
    .join("\n")
    .slice(0, TEXT_MAX);
}

/** An asterisk would end the bold text. */
function starless(text: string): string {
  return text.replaceAll("*", "∗");
}
