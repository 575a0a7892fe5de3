import { z } from "zod";
import type { Plugin } from "../domain/plugin.ts";
import { sanitize } from "../domain/text.ts";
import type { ChannelDependencies, Send } from "./dependencies.ts";
import { postJson, secretOption, secureAddressOf } from "./post.ts";
import { bySeverity, wordsOf } from "./words.ts";

const COLOURS = { page: 0xd32f2f, warning: 0xf9a825, info: 0x546e7a, over: 0x2e7d32 };
/** Of an embed (discord.com/developers/docs/resources/message#embed-object-embed-limits). */
const LIMITS = { title: 256, description: 4_096, value: 1_024 };

const optionsSchema = z.strictObject({ url: secretOption.describe("Reference to the URL of a webhook of Discord.") });
type DiscordOptions = z.infer<typeof optionsSchema>;

export const discord: Plugin<DiscordOptions, ChannelDependencies, Send> = {
  type: "discord",
  description: "Posts an embed to a webhook of Discord.",
  options: optionsSchema,
  create:
    (options, { channel, secret }) =>
    async (notification, signal) => {
      const { message, action, facts, at, title, link } = wordsOf(notification);
      const body = {
        // Nobody is mentioned, whatever a stranger wrote.
        allowed_mentions: { parse: [] },
        embeds: [
          {
            title: plain(title, LIMITS.title),
            description: plain(action === null ? message : `What to do: ${action}`, LIMITS.description),
            color: bySeverity(notification, COLOURS),
            timestamp: at,
            fields: [
              ...facts.map(([name, value]) => ({ name, value: plain(value, LIMITS.value), inline: true })),
              ...(link === null ? [] : [{ name: "Acknowledge", value: link, inline: false }]),
            ],
          },
        ],
      };
      const url = secureAddressOf(channel, (await secret(options.url)).reveal());
      await postJson({ channel, url, body }, signal);
    },
};

/** Discord reads Markdown. */
function plain(text: string, charactersMax: number): string {
  return sanitize(text.replace(/[\\*_`~|<>[\]()#-]/g, "\\$&"), charactersMax);
}
