import { raceAbort } from "../../domain/abort.ts";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import type { HistoryEvent } from "../../domain/event.ts";
import { type Channel, type ChannelCursor, type Notification, SEVERITIES } from "../../domain/notification.ts";
import type { Responsibility } from "../../domain/responsibility.ts";
import { DAY_MS } from "../../domain/time.ts";
import type { Context } from "../context.ts";
import { delayOf, LADDERS_MS } from "../rules/backoff.ts";
import { NOTIFIED_EVENTS, notificationOf } from "../rules/notificationRules.ts";
import { isSent } from "../rules/routing.ts";

/** Longer than one batch takes: none is begun when less time than one send may need is left. */
const LEASE_MS = 120_000;
const SEND_MAX_MS = 45_000;
const BATCH = 10;
const RETRY_MAX_MS = Math.max(...LADDERS_MS.notification);
/** After a day without success, `renewd status` has shown the event for long. */
const GIVE_UP_MS = DAY_MS;

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
  const events = await store.events.list({ types: NOTIFIED_EVENTS, afterSeq: claimed.seq, limit: BATCH });
  let { seq } = claimed;
  let sent = 0;
  try {
    for (const event of events) {
      // The others are due at the next tick.
      if (clock.monotonic() > lastSendAt) break;
      sent += (await deliverEvent(context, channel, event, signal)) ? 1 : 0;
      seq = event.seq;
    }
    await store.cursors.release(claimed, { seq, failures: 0, nextAttemptAt: null, lastErrorMessage: null });
  } catch (thrown) {
    const error = toRenewalError(thrown);
    if (!signal.aborted) log.warn({ channel: name, err: error }, "notification not sent; it is tried again");
    await store.cursors.release(
      claimed,
      signal.aborted ? { ...claimed, seq } : deliveryFailed(claimed, seq, error, clock.now()),
    );
  }
  return sent;
}

async function deliverEvent(
  context: Context,
  channel: Channel,
  event: HistoryEvent,
  signal: AbortSignal,
): Promise<boolean> {
  const { clock, log } = context;
  const facts = { expiresAt: await expiryOf(context, event), responsibility: responsibilityOf(context, event) };
  const notification = notificationOf(event, facts);
  if (notification === null || !isWanted(channel, notification)) return false;
  if (!isSent(channel, context.services.channels().values(), notification.responsibility)) return false;
  try {
    await sendInTime(channel, notification, signal);
    return true;
  } catch (thrown) {
    const error = toRenewalError(thrown);
    if (signal.aborted) throw thrown;
    const isHopeless = error.facts.retry === "never" || clock.now() - event.at > GIVE_UP_MS;
    if (!isHopeless || !(await isClockRight(context, signal))) throw thrown;
    // A notification that the receiver never accepts must not block those behind it.
    log.error({ err: error, certificate: event.certificate ?? "" }, "a notification was given up");
    return false;
  }
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

/** null: not known. A certificate whose version cannot be read must not block the events behind this one. */
async function expiryOf({ store, log }: Context, { certificate }: HistoryEvent): Promise<number | null> {
  try {
    return certificate === null ? null : ((await store.versions.latest(certificate))?.leaf.notAfter ?? null);
  } catch (thrown) {
    log.warn({ certificate: certificate ?? "", err: toRenewalError(thrown) }, "notified without its expiry");
    return null;
  }
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

function isWanted({ from, keepsAlerts }: Channel, { severity, resolves }: Notification): boolean {
  return SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(from) || (keepsAlerts && resolves);
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
