import { definePlugin, type RegisteredPlugin } from "../domain/plugin.ts";
import { alertmanager } from "./alertmanager.ts";
import { apprise } from "./apprise.ts";
import { command } from "./command.ts";
import type { ChannelDependencies, Send } from "./dependencies.ts";
import { discord } from "./discord.ts";
import { jsm } from "./jsm.ts";
import { ntfy } from "./ntfy.ts";
import { pagerduty } from "./pagerduty.ts";
import { slack } from "./slack.ts";
import { smtp } from "./smtp.ts";
import { teams } from "./teams.ts";
import { telegram } from "./telegram.ts";
import { webhook } from "./webhook.ts";

export type { ChannelDependencies } from "./dependencies.ts";

/** Every kind of channel: one line each. */
export const CHANNELS: readonly RegisteredPlugin<ChannelDependencies, Send>[] = [
  definePlugin(smtp),
  definePlugin(slack),
  definePlugin(teams),
  definePlugin(discord),
  definePlugin(telegram),
  definePlugin(ntfy),
  definePlugin(pagerduty),
  definePlugin(alertmanager),
  definePlugin(jsm),
  definePlugin(apprise),
  definePlugin(webhook),
  definePlugin(command),
];
