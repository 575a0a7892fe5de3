import { setTimeout as delay } from "node:timers/promises";
import { RenewalError } from "../domain/errors.ts";
import { HOUR_MS, retryAfterInstant } from "../domain/time.ts";
import type { Reply } from "./session.ts";

/** First wait and the limit of its doubling, for CAs that name none. Boulder names 3 s; Pebble answers at once. */
const INTERVAL_MS = 3;
const INTERVAL_MAX_MS = 5000;
/** A CA that says "at once" again and again is still asked no more often than this. */
const INTERVAL_MIN_MS = 100;

export interface Deadline {
  /** On the clock of `performance.now()`: a stepped wall clock ends no order. */
  readonly at: number;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** A longer Retry-After is a guess: CAs that name a day were seen to be done in a moment. It is not waited for here. */
const RETRY_AFTER_OBEYED_MS = 60_000;
/** An order that the CA expects to take longer is polled this long and then left: it must hold no worker. */
const LONG_WAIT_POLLED_MS = 60_000;
/** The order itself is asked for again within the hour, whatever the CA expects. */
const RETRY_AT_MAX_MS = HOUR_MS;

/**
 * Asks until `read` returns something, politely (RFC 8555 §7.5.1, §8.2). `reply` is the answer already at hand. Throws
 * `acme.timeout` at the deadline, or sooner when the CA expects to take longer; then `retryAt` is what it named.
 */
export async function pollUntil<T>(
  what: string,
  reply: Reply,
  again: () => Promise<Reply>,
  read: (reply: Reply) => T | null,
  deadline: Deadline,
): Promise<T> {
  const longWaitEndsAt = performance.now() + LONG_WAIT_POLLED_MS;
  let interval = INTERVAL_MS;
  let polled = false;
  for (let current = reply; ; current = await again(), polled = true) {
    const found = read(current);
    if (found !== null) return found;
    const now = deadline.now();
    const retryAt = retryAfterInstant(current.headers["retry-after"], { now, maxMs: RETRY_AT_MAX_MS });
    const askedMs = retryAt === null ? 0 : retryAt - now;
    const isLong = askedMs > RETRY_AFTER_OBEYED_MS;
    const waitMs = retryAt === null || isLong ? interval : Math.max(askedMs, INTERVAL_MIN_MS);
    const leftMs = (isLong ? Math.min(deadline.at, longWaitEndsAt) : deadline.at) - performance.now();
    // Another name may have used up the time: what is at hand is then old, and is asked for once more.
    if (leftMs <= 0 && polled) {
      throw new RenewalError("acme.timeout", `The CA was still busy with ${what} when the order's time was up.`, {
        ...(retryAt !== null && { retryAt }),
      });
    }
    // The last poll comes at the deadline itself: what is done by then is not left for the next attempt.
    await pause(Math.max(0, Math.min(waitMs, leftMs)), deadline.signal);
    interval = Math.min(interval * 2, INTERVAL_MAX_MS);
  }
}

async function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(durationMs, undefined, { signal });
  } catch (error) {
    // Node wraps the reason; callers are promised the reason itself.
    signal.throwIfAborted();
    throw error;
  }
}
