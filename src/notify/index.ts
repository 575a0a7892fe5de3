import { definePlugin, type Kind, kindOf, type Plugin, type RegisteredPlugin } from "../domain/plugin.ts";
import type { ChannelDependencies, Send } from "./dependencies.ts";

export type { ChannelDependencies } from "./dependencies.ts";

export type ChannelPlugin = RegisteredPlugin<ChannelDependencies, Send>;

/** Every kind of channel: one line each. */
export const CHANNELS: readonly Kind<ChannelPlugin>[] = [
  kind("smtp", async () => (await import("./smtp.ts")).smtp),
  kind("slack", async () => (await import("./slack.ts")).slack),
  kind("teams", async () => (await import("./teams.ts")).teams),
  kind("discord", async () => (await import("./discord.ts")).discord),
  kind("telegram", async () => (await import("./telegram.ts")).telegram),
  kind("ntfy", async () => (await import("./ntfy.ts")).ntfy),
  kind("pagerduty", async () => (await import("./pagerduty.ts")).pagerduty),
  kind("alertmanager", async () => (await import("./alertmanager.ts")).alertmanager),
  kind("jsm", async () => (await import("./jsm.ts")).jsm),
  kind("apprise", async () => (await import("./apprise.ts")).apprise),
  kind("webhook", async () => (await import("./webhook.ts")).webhook),
  kind("command", async () => (await import("./command.ts")).command),
];

function kind<Options>(
  type: string,
  load: () => Promise<Plugin<Options, ChannelDependencies, Send>>,
): Kind<ChannelPlugin> {
  return kindOf(type, async () => definePlugin(await load()));
}
