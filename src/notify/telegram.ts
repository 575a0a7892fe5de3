import { z } from "zod";
import { RenewalError } from "../domain/errors.ts";
import type { Plugin } from "../domain/plugin.ts";
import { withoutMentions } from "./chatText.ts";
import type { ChannelDependencies, Send } from "./dependencies.ts";
import { postJson, secretOption, serviceUrl } from "./post.ts";
import { wordsOf } from "./words.ts";

/** core.telegram.org/bots/api#sendmessage */
const TEXT_MAX = 4_096;
const TOKEN = /^\d{1,20}:[A-Za-z0-9_-]{10,100}$/;

const optionsSchema = z.strictObject({
  token: secretOption.describe("Reference to the bot's token."),
  chat: z
    .string()
    .regex(/^(-?\d{1,20}|@[A-Za-z0-9_]{5,32})$/, 'must be a number in quotes, such as "-1001234567890", or @name')
    .describe("The chat: its number in quotes, or @name of a channel."),
  topic: z.int().min(1).optional().describe("Number of a topic inside the chat."),
  api: serviceUrl.default("https://api.telegram.org").describe("Another server of the Bot API."),
});
type TelegramOptions = z.infer<typeof optionsSchema>;

/** Plain text: without `parse_mode` nothing in it acts but mentions. */
export const telegram: Plugin<TelegramOptions, ChannelDependencies, Send> = {
  type: "telegram",
  description: "Sends a message by a bot of Telegram.",
  options: optionsSchema,
  create:
    ({ token, chat, topic, api }, { channel, secret }) =>
    async (notification, signal) => {
      const { body: said, facts, link } = wordsOf(notification);
      const bot = (await secret(token)).reveal().trim();
      if (!TOKEN.test(bot))
        throw new RenewalError(
          "config.secret",
          `channel ${channel}: its \`token\` does not refer to a token of a Telegram bot`,
        );
      const all = [said, ...facts.map(([name, value]) => `${name}: ${value}`)].join("\n");
      const end = link === null ? "" : `\nAcknowledge: ${link}`;
      const body = {
        chat_id: chat,
        text: withoutMentions(all).slice(0, TEXT_MAX - end.length) + end,
        link_preview_options: { is_disabled: true },
        ...(topic !== undefined && { message_thread_id: topic }),
      };
      await postJson({ channel, url: new URL(`${api}/bot${bot}/sendMessage`), body }, signal);
    },
};
