import type { Alert } from "../../domain/alert.ts";
import type { Channel, Notification } from "../../domain/notification.ts";
import type { Context } from "../context.ts";
import { type AlertMessage, type Digest, digestOf, messageOf } from "../rules/alerts/messages.ts";
import { notificationOf } from "../rules/notificationRules.ts";
import { withLink } from "./messageLink.ts";

export interface NamedChannel {
  readonly name: string;
  readonly channel: Channel;
}

type Send = (channel: Channel, notification: Notification, signal: AbortSignal) => Promise<void>;

/** When open alerts were last sent again, on the monotonic clock. A process that starts does it at once. */
const repeatedAt = new WeakMap<Channel, number>();

/**
 * Sends a channel that forgets alerts each open one that it was sent before. It MUST hold the channel's lease and have
 * been sent everything: an end that another process sent meanwhile would be undone.
 */
export async function repeatOpenAlerts(
  context: Context,
  { name, channel }: NamedChannel,
  send: Send,
  signal: AbortSignal,
): Promise<void> {
  const { store, clock } = context;
  const { webUrl } = context.settings.alerts;
  const { repeatMs } = channel;
  const now = clock.monotonic();
  if (repeatMs === undefined || now - (repeatedAt.get(channel) ?? Number.NEGATIVE_INFINITY) < repeatMs) return;
  const known = (await store.alerts.open()).filter((alert) => alert.channels.includes(name));
  for (const notification of repeated(known, { channels: [name], step: 0, webUrl }))
    await send(channel, withLink(context, name, notification), signal);
  repeatedAt.set(channel, now);
}

function repeated(known: readonly Alert[], of: Digest): Notification[] {
  const own = known.filter(({ digested }) => !digested).map((alert) => notificationAbout(alert, of.channels));
  const digested = known.filter((alert) => alert.digested);
  const [first] = digested;
  if (first === undefined) return own.flatMap((each) => each ?? []);
  const digest = asNotification(digestOf(digested, of), first.notifiedAt ?? 0);
  return [...own, digest].flatMap((each) => each ?? []);
}

/** As people know it: what has become worse since is a message that waits, for the end of quiet hours perhaps. */
function notificationAbout(alert: Alert, channels: readonly string[]): Notification | null {
  const { notified, notifiedAt } = alert;
  if (notified === null || notifiedAt === null) return null;
  return asNotification(
    messageOf("opened", { ...alert, severity: notified.severity }, channels, notifiedAt),
    notifiedAt,
  );
}

function asNotification(message: AlertMessage, at: number): Notification | null {
  return notificationOf({ ...message, seq: 0, at, renewalId: null, worker: "" });
}
