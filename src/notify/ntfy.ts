import { z } from "zod";
import type { Plugin } from "../domain/plugin.ts";
import type { ChannelDependencies, Send } from "./dependencies.ts";
import { postJson, secretOption, serviceUrl } from "./post.ts";
import { bySeverity, wordsOf } from "./words.ts";

/** docs.ntfy.sh/publish: 5 makes phones ring through. */
const PRIORITIES = { page: 5, warning: 4, info: 2, over: 2 };
const TAGS = { page: "rotating_light", warning: "warning", info: "information_source", over: "white_check_mark" };
/** The server makes a longer message an attachment. Characters take up to four bytes. */
const MESSAGE_MAX = 1_000;

const optionsSchema = z.strictObject({
  url: serviceUrl.default("https://ntfy.sh").describe("The server."),
  topic: secretOption.describe(
    "Reference to the topic's name: without access control, anybody who knows it may read it.",
  ),
  token: secretOption.optional().describe("Reference to an access token."),
});
type NtfyOptions = z.infer<typeof optionsSchema>;

export const ntfy: Plugin<NtfyOptions, ChannelDependencies, Send> = {
  type: "ntfy",
  description: "Publishes to a topic of ntfy, which reaches phones.",
  options: optionsSchema,
  create:
    (options, { channel, secret }) =>
    async (notification, signal) => {
      const { title, message, action } = wordsOf(notification);
      const { acknowledgeUrl } = notification;
      const body = {
        topic: (await secret(options.topic)).reveal().trim(),
        title,
        message: (action === null ? message : `${message}\nWhat to do: ${action}`).slice(0, MESSAGE_MAX),
        priority: bySeverity(notification, PRIORITIES),
        tags: [bySeverity(notification, TAGS)],
        ...(acknowledgeUrl !== undefined && {
          actions: [{ action: "view", label: "Acknowledge", url: acknowledgeUrl }],
        }),
      };
      const token = options.token === undefined ? null : (await secret(options.token)).reveal().trim();
      const headers = token === null ? {} : { authorization: `Bearer ${token}` };
      await postJson({ channel, url: new URL(`${options.url}/`), body, headers }, signal);
    },
};
