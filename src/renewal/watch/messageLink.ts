import type { Notification } from "../../domain/notification.ts";
import type { Context } from "../context.ts";
import { linkToken } from "../rules/alerts/link.ts";

/** People acknowledge by it where they read the message: without a terminal, and without signing in. */
export function withLink(
  { store, settings }: Pick<Context, "store" | "settings">,
  channel: string,
  notification: Notification,
): Notification {
  const { acknowledge, at } = notification;
  const { webUrl } = settings.alerts;
  if (acknowledge === undefined || webUrl === null) return notification;
  const token = linkToken({ ...acknowledge, channel, at }, store.alerts.sign);
  return { ...notification, acknowledgeUrl: `${webUrl}/acknowledge?token=${token}` };
}
