import { setTimeout as delay } from "node:timers/promises";
import { RenewalError } from "../domain/errors.ts";
import { retryAfterInstant } from "../domain/time.ts";
import { RETRY_AFTER_MAX_MS } from "./problem.ts";
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

/**
 * Asks until `read` returns something, politely (RFC 8555 §7.5.1, §8.2). `reply` is the answer already at hand. Throws
 * `acme.timeout`, with retryAt when the CA named an instant beyond the deadline: waiting so long must hold no worker.
 */
export async function pollUntil<T>(
  what: string,
  reply: Reply,
  again: () => Promise<Reply>,
  read: (reply: Reply) => T | null,
  deadline: Deadline,
): Promise<T> {
  let interval = INTERVAL_MS;
  for (let current = reply; ; current = await again()) {
    const found = read(current);
    if (found !== null) return found;
    const retryAt = retryAfterInstant(current.headers["retry-after"], {
      now: deadline.now(),
      maxMs: RETRY_AFTER_MAX_MS,
    });
    const waitMs = retryAt === null ? interval : Math.max(retryAt - deadline.now(), INTERVAL_MIN_MS);
    if (performance.now() + waitMs > deadline.at) {
      throw new RenewalError("acme.timeout", `The CA was still busy with ${what} when the order's time was up.`, {
        ...(retryAt !== null && { retryAt }),
      });
    }
    await pause(waitMs, deadline.signal);
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
