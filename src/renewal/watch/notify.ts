import { toRenewalError } from "../../domain/errors.ts";
import type { HistoryEvent } from "../../domain/event.ts";
import { type Channel, type ChannelCursor, type Notification, SEVERITIES } from "../../domain/notification.ts";
import { DAY_MS } from "../../domain/time.ts";
import type { Context } from "../context.ts";
import { NOTIFIED_EVENTS, notificationOf } from "../rules/notificationRules.ts";

/** Longer than one batch takes: each send has its own, shorter limit. */
const LEASE_MS = 120_000;
const BATCH = 10;
const RETRY_FIRST_MS = 5_000;
const RETRY_MAX_MS = 600_000;
/** What could not be told for a day is in `renewd status` for long. */
const GIVE_UP_MS = DAY_MS;

/**
 * Tells each channel what has happened since it was told last. The history is the outbox: a channel's cursor moves past an event
 * when its receiver has it, so nothing is lost by a crash, and an event may arrive twice, under one id. Returns how many were told.
 */
export async function deliverNotifications(context: Context, signal: AbortSignal): Promise<number> {
  const told = await Promise.all(
    [...context.services.channels()].map(([name, channel]) => deliverTo(context, name, channel, signal)),
  );
  return told.reduce((sum, each) => sum + each, 0);
}

async function deliverTo(context: Context, name: string, channel: Channel, signal: AbortSignal): Promise<number> {
  const { store, clock, log } = context;
  const claimed = await store.cursors.claim(name, clock.now(), { leaseMs: LEASE_MS, retryMaxMs: RETRY_MAX_MS });
  if (claimed === null) return 0;
  const events = await store.events.list({ types: NOTIFIED_EVENTS, afterSeq: claimed.seq, limit: BATCH });
  let { seq } = claimed;
  let told = 0;
  try {
    for (const event of events) {
      told += (await deliverEvent(context, channel, event, signal)) ? 1 : 0;
      seq = event.seq;
    }
    await store.cursors.release(claimed, { seq, failures: 0, nextAttemptAt: null, lastErrorMessage: null });
  } catch (thrown) {
    const error = toRenewalError(thrown);
    if (!signal.aborted) log.warn({ channel: name, err: error }, "nobody was told; it is tried again");
    await store.cursors.release(
      claimed,
      signal.aborted ? { ...claimed, seq } : deliveryFailed(claimed, seq, error.message, clock.now()),
    );
  }
  return told;
}

async function deliverEvent(
  context: Context,
  channel: Channel,
  event: HistoryEvent,
  signal: AbortSignal,
): Promise<boolean> {
  const { store, clock, log } = context;
  const version = event.certificate === null ? null : await store.versions.latest(event.certificate);
  const notification = notificationOf(event, { expiresAt: version?.leaf.notAfter ?? null });
  if (notification === null || !isWanted(channel, notification)) return false;
  try {
    await channel.send(notification, signal);
    return true;
  } catch (thrown) {
    const error = toRenewalError(thrown);
    if (signal.aborted) throw thrown;
    const isHopeless = error.facts.retry === "never" || clock.now() - event.at > GIVE_UP_MS;
    if (!isHopeless || !(await isClockRight(context, signal))) throw thrown;
    // One notification that is never taken must not keep the others from being told.
    log.error({ err: error, certificate: event.certificate ?? "" }, "a notification was given up");
    return false;
  }
}

/** By a clock 40 days ahead all that was not told yet is too old, and receivers that look at a signature's time refuse it. */
function isClockRight({ clockGuard }: Context, signal: AbortSignal): Promise<boolean> {
  return clockGuard.check(signal).then(
    () => true,
    () => false,
  );
}

function isWanted({ from }: Channel, { severity }: Notification): boolean {
  return SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(from);
}

function deliveryFailed(
  { failures }: ChannelCursor,
  seq: number,
  lastErrorMessage: string,
  now: number,
): Parameters<Context["store"]["cursors"]["release"]>[1] {
  const delayMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(failures, 10));
  return { seq, failures: failures + 1, nextAttemptAt: now + delayMs, lastErrorMessage };
}
