import { RenewalError } from "../domain/errors.ts";
import { reasonOf, redisCause } from "./failure.ts";
import { describeRedis, type RedisOptions } from "./options.ts";

const REPEAT_AFTER_MS = 30_000;
const KNOWN_MAX = 50;

/**
 * Turns connection trouble into RenewalErrors, each at most every 30 s: during an outage every connection complains
 * every second.
 */
export function reportTrouble(redis: RedisOptions, onError: (error: RenewalError) => void): (error: unknown) => void {
  const reportedAt = new Map<string, number>();
  return (error) => {
    const message =
      error instanceof RenewalError
        ? error.message
        : `The queue in Redis at ${describeRedis(redis)} reports: ${reasonOf(error, redis)}`;
    const last = reportedAt.get(message);
    if (last !== undefined && performance.now() - last < REPEAT_AFTER_MS) return;
    if (reportedAt.size >= KNOWN_MAX) reportedAt.clear();
    reportedAt.set(message, performance.now());
    onError(
      error instanceof RenewalError
        ? error
        : new RenewalError("queue.unavailable", message, { cause: redisCause(error, redis) }),
    );
  };
}
