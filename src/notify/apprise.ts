import { z } from "zod";
import type { Plugin } from "../domain/plugin.ts";
import { withoutMentions } from "./chatText.ts";
import type { ChannelDependencies, Send } from "./dependencies.ts";
import { postJson, secretOption, secureAddressOf } from "./post.ts";
import { bySeverity, wordsOf } from "./words.ts";

const TYPES = { page: "failure", warning: "warning", info: "info", over: "success" };

const optionsSchema = z.strictObject({
  url: secretOption.describe(
    "Reference to the URL of a stored configuration, such as `https://apprise.example.org/notify/KEY`.",
  ),
  tag: z.string().min(1).max(200).optional().describe("Only the services of the configuration with this tag."),
});
type AppriseOptions = z.infer<typeof optionsSchema>;

/** A server of Apprise (github.com/caronc/apprise-api), which knows more than a hundred services. */
export const apprise: Plugin<AppriseOptions, ChannelDependencies, Send> = {
  type: "apprise",
  description: "Posts to a server of Apprise, which passes it on to more than a hundred services.",
  options: optionsSchema,
  create:
    ({ url, tag }, { channel, secret }) =>
    async (notification, signal) => {
      const { title, text } = wordsOf(notification);
      const body = {
        title: withoutMentions(title),
        body: withoutMentions(text),
        type: bySeverity(notification, TYPES),
        format: "text",
        ...(tag !== undefined && { tag }),
      };
      await postJson({ channel, url: secureAddressOf(channel, (await secret(url)).reveal()), body }, signal);
    },
};
