import { raceAbort } from "../../domain/abort.ts";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import type { HistoryEvent } from "../../domain/event.ts";
import type { Channel, ChannelCursor, Notification } from "../../domain/notification.ts";
import type { Responsibility } from "../../domain/responsibility.ts";
import { DAY_MS } from "../../domain/time.ts";
import type { Context } from "../context.ts";
import { isFrom } from "../rules/alerts/routing.ts";
import { delayOf, LADDERS_MS } from "../rules/backoff.ts";
import { NOTIFIED_EVENTS, notificationOf } from "../rules/notificationRules.ts";
import { isSent } from "../rules/routing.ts";
import { type AlertMemory, raiseAlerts } from "./alerts.ts";
import { withLink } from "./messageLink.ts";
import { type NamedChannel, repeatOpenAlerts } from "./repeatAlerts.ts";

/** Longer than one batch takes: none is begun when less time than one send may need is left. */
const LEASE_MS = 120_000;
const SEND_MAX_MS = 45_000;
/** Sent, and read, at a time: most events are no message for a channel, and what is behind them must not wait. */
const SENDS_MAX = 10;
const READ_MAX = 500;
const RETRY_MAX_MS = Math.max(...LADDERS_MS.notification);
/** After a day, one that fails is given up as soon as another gets through. */
const GIVE_UP_MS = DAY_MS;

/** One tick: what is wrong becomes messages, and messages are sent. An engine that fails must not keep those back. */
export async function notifyPeople(context: Context, signal: AbortSignal, memory?: AlertMemory): Promise<void> {
  const [raised] = await Promise.allSettled([enrol(context).then(() => raiseAlerts(context, signal, memory))]);
  await deliverNotifications(context, signal);
  if (raised.status === "rejected") throw raised.reason;
}

/** A new channel begins after the newest event: the first messages must not be among what it passes over. */
async function enrol({ store, services, clock }: Context): Promise<void> {
  const channels = services.channels();
  if (channels.size === 0) return;
  const known = new Set((await store.cursors.list()).map(({ channel }) => channel));
  for (const name of channels.keys()) {
    if (known.has(name)) continue;
    const claimed = await store.cursors.claim(name, clock.now(), { leaseMs: LEASE_MS, retryMaxMs: RETRY_MAX_MS });
    if (claimed !== null) await store.cursors.release(claimed, claimed);
  }
}

/**
 * Sends each channel the events since its last notification. The history is the outbox: a channel's cursor moves past
 * an event once its receiver has it. So a crash loses nothing, and an event may arrive twice under one id. Returns how
 * many notifications were sent.
 */
export async function deliverNotifications(context: Context, signal: AbortSignal): Promise<number> {
  const sent = await Promise.all(
    [...context.services.channels()].map(([name, channel]) => deliverTo(context, name, channel, signal)),
  );
  return sent.reduce((sum, each) => sum + each, 0);
}

async function deliverTo(context: Context, name: string, channel: Channel, signal: AbortSignal): Promise<number> {
  const { store, clock, log } = context;
  const claimed = await store.cursors.claim(name, clock.now(), { leaseMs: LEASE_MS, retryMaxMs: RETRY_MAX_MS });
  if (claimed === null) return 0;
  const lastSendAt = clock.monotonic() + LEASE_MS - 2 * SEND_MAX_MS;
  const events = await store.events.list({ types: NOTIFIED_EVENTS, afterSeq: claimed.seq, limit: READ_MAX });
  const progress: Progress = {
    ...{ seq: claimed.seq, triedTo: claimed.seq, sent: 0, late: null },
    lastErrorMessage: claimed.failures === 0 ? claimed.lastErrorMessage : null,
  };
  try {
    for (const event of events) {
      // The others are due at the next tick.
      if (clock.monotonic() > lastSendAt || progress.sent === SENDS_MAX) break;
      await advance(context, { name, channel }, progress, event, signal);
    }
    if (progress.late !== null) {
      // Nothing later shows whether it is the message or the channel that fails.
      if (events.length < READ_MAX || progress.triedTo !== events.at(-1)?.seq) throw progress.late.error;
      await giveUp(context, name, progress.late);
      progress.seq = progress.triedTo;
    }
    const { seq, lastErrorMessage } = progress;
    const hasAll = events.length < READ_MAX && seq === (events.at(-1)?.seq ?? seq);
    if (hasAll) await repeatOpenAlerts(context, { name, channel }, sendInTime, signal);
    await store.cursors.release(claimed, { seq, failures: 0, nextAttemptAt: null, lastErrorMessage });
  } catch (thrown) {
    const error = toRenewalError(thrown);
    if (!signal.aborted) log.warn({ channel: name, err: error }, "notification not sent; it is tried again");
    const { seq } = progress;
    await store.cursors.release(
      claimed,
      signal.aborted ? { ...claimed, seq } : deliveryFailed(claimed, seq, error, clock.now()),
    );
  }
  return progress.sent;
}

interface Progress {
  /** Up to here everything was sent or given up. */
  seq: number;
  /** Up to here all were tried. */
  triedTo: number;
  sent: number;
  /** It could not be sent for a day: given up once a later one gets through, which shows that the channel works. */
  late: Unsent | null;
  /** Of a message that was given up, until the receiver takes one. */
  lastErrorMessage: string | null;
}

interface Unsent {
  readonly event: HistoryEvent;
  readonly error: RenewalError;
}

async function advance(
  context: Context,
  { name, channel }: NamedChannel,
  progress: Progress,
  event: HistoryEvent,
  signal: AbortSignal,
): Promise<void> {
  const delivery = await deliverEvent(context, { name, channel }, event, signal);
  progress.triedTo = event.seq;
  if (delivery?.outcome === "late") {
    if (progress.late !== null) throw delivery.error;
    progress.late = { event, error: delivery.error };
    return;
  }
  if (delivery?.outcome === "refused") progress.lastErrorMessage = delivery.error.message;
  if (delivery?.outcome === "sent") {
    progress.sent += 1;
    progress.lastErrorMessage = null;
    if (progress.late !== null) await giveUp(context, name, progress.late);
    progress.late = null;
  }
  if (progress.late === null) progress.seq = event.seq;
}

type Delivery = { readonly outcome: "sent" } | { readonly outcome: "refused" | "late"; readonly error: RenewalError };

/** null: the event is no message for the channel, or it has it. */
async function deliverEvent(
  context: Context,
  { name, channel }: NamedChannel,
  event: HistoryEvent,
  signal: AbortSignal,
): Promise<Delivery | null> {
  const { store, clock } = context;
  const notification = notificationOf(event, responsibilityOf(context, event));
  if (notification === null || !isWanted({ name, channel }, context, notification)) return null;
  // A process that died between the two had sent it, but not moved the cursor.
  if ((await store.alerts.receipt(name, event.seq)) !== null) return null;
  try {
    const whole = await withReport(context, withLink(context, name, notification));
    await sendInTime(channel, whole, signal);
    await store.alerts.record({ ...receiptOf(name, event), at: clock.now(), outcome: "sent", error: null });
    return { outcome: "sent" };
  } catch (thrown) {
    const error = toRenewalError(thrown);
    if (signal.aborted) throw thrown;
    const isRefused = error.facts.retry === "never";
    if (!isRefused && clock.now() - event.at <= GIVE_UP_MS) throw thrown;
    if (!(await isClockRight(context, signal))) throw thrown;
    if (!isRefused) return { outcome: "late", error };
    await giveUp(context, name, { event, error });
    return { outcome: "refused", error };
  }
}

/** A notification that the receiver never accepts must not block those behind it. */
async function giveUp({ store, clock, log }: Context, channel: string, { event, error }: Unsent): Promise<void> {
  log.error({ err: error, certificate: event.certificate ?? "" }, "a notification was given up");
  const receipt = { ...receiptOf(channel, event), at: clock.now() };
  await store.alerts.record({ ...receipt, outcome: "givenUp", error: error.message });
}

function receiptOf(channel: string, { seq, detail: { alert } }: HistoryEvent) {
  return { channel, seq, alert: typeof alert === "string" ? alert : null };
}

/** Written when it is sent: the history of that week is as it was, what is open is as of now. */
async function withReport({ services }: Context, notification: Notification): Promise<Notification> {
  const report =
    notification.reportUntil === undefined ? undefined : await services.weeklyReport?.(notification.reportUntil);
  return report === undefined ? notification : { ...notification, message: report.title, report };
}

async function sendInTime(channel: Channel, notification: Notification, signal: AbortSignal): Promise<void> {
  const deadline = AbortSignal.timeout(SEND_MAX_MS);
  const bounded = AbortSignal.any([signal, deadline]);
  try {
    await raceAbort(bounded, () => channel.send(notification, bounded));
  } catch (thrown) {
    if (signal.aborted || thrown !== deadline.reason) throw thrown;
    throw new RenewalError("notify.failed", `the channel did not end within ${SEND_MAX_MS / 1_000} s`);
  }
}

/** The certificate's; of what is about a target alone, the target's. */
function responsibilityOf({ services }: Context, { certificate, target }: HistoryEvent): Responsibility | null {
  const own = certificate === null ? null : services.certificate(certificate);
  return own?.responsibility ?? (target === null ? null : services.responsibility(target));
}

/**
 * With a clock 40 days ahead, every unsent event looks too old, and receivers that check the signature's time refuse
 * it.
 */
function isClockRight({ clockGuard }: Context, signal: AbortSignal): Promise<boolean> {
  return clockGuard.check(signal).then(
    () => true,
    () => false,
  );
}

/** The engine has chosen the channels of an alert; of news, each channel says what it wants. */
function isWanted(
  { name, channel }: NamedChannel,
  { services }: Context,
  { severity, resolves, channels, responsibility }: Notification,
): boolean {
  if (channels !== undefined) return channels.includes(name);
  if (!isFrom(severity, channel.from) && !(channel.keepsAlerts && resolves)) return false;
  return isSent(channel, services.channels().values(), responsibility);
}

function deliveryFailed(
  { failures }: ChannelCursor,
  seq: number,
  { message, retryAt }: RenewalError,
  now: number,
): Parameters<Context["store"]["cursors"]["release"]>[1] {
  const delayMs = delayOf(LADDERS_MS.notification, failures + 1);
  // The receiver may ask for more time, but a longer back-off would count as written by a wrong clock.
  const askedMs = Math.min((retryAt ?? now) - now, RETRY_MAX_MS);
  return {
    seq,
    failures: failures + 1,
    nextAttemptAt: now + Math.max(delayMs, askedMs),
    lastErrorMessage: message,
  };
}
