import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../domain/clock.ts";

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(durationMs, signal) {
    signal.throwIfAborted();
    try {
      await delay(durationMs, undefined, { signal });
    } catch (thrown) {
      // Node rejects with its own AbortError; callers want to know why they were aborted.
      signal.throwIfAborted();
      throw thrown;
    }
  },
};
