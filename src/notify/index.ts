import { definePlugin, type RegisteredPlugin } from "../domain/plugin.ts";
import { command } from "./command.ts";
import type { ChannelDependencies, Send } from "./dependencies.ts";
import { webhook } from "./webhook.ts";

export type { ChannelDependencies } from "./dependencies.ts";

/** Every kind of channel: one line each. */
export const CHANNELS: readonly RegisteredPlugin<ChannelDependencies, Send>[] = [
  definePlugin(webhook),
  definePlugin(command),
];
