import type { Clock } from "../domain/clock.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Log } from "../domain/log.ts";

const POLL_MS = 1_000;
/** Connections try again each second at least: one that has not noticed yet must not begin a second outage. */
const ANSWERS_IN_A_ROW = 3;

export interface RedisOutageOptions {
  readonly log: Log;
  readonly clock: Pick<Clock, "monotonic" | "sleep">;
  /** Throws `queue.unavailable` while Redis cannot be reached. */
  readonly ping: () => Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * A log in which an absence of Redis is one warning and one line when it is back. Each connection, tick and job notices
 * it by itself, and would repeat it every second.
 */
export function logRedisOutageOnce({ log, clock, ping, signal }: RedisOutageOptions): Log {
  let isAway = false;
  const untilBack = async (): Promise<void> => {
    for (let answers = 0; answers < ANSWERS_IN_A_ROW; ) {
      await clock.sleep(POLL_MS, signal);
      answers = await ping().then(
        () => answers + 1,
        () => 0,
      );
    }
  };
  const begin = (err: RenewalError): void => {
    isAway = true;
    const since = clock.monotonic();
    log.warn(
      { err, action: err.facts.action },
      "Redis is away: nothing new begins; what is due stays in the database and goes on once Redis is back",
    );
    untilBack()
      .then(() => log.info({ awayMs: Math.round(clock.monotonic() - since) }, "Redis is back"))
      .catch(() => {}) // Stopping.
      .finally(() => {
        isAway = false;
      });
  };
  const unlessAway =
    (level: "warn" | "error"): Log["warn"] =>
    (fields, message) => {
      if (!isUnreachable(fields.err)) log[level](fields, message);
      else if (!isAway) begin(fields.err);
    };
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: unlessAway("warn"),
    error: unlessAway("error"),
  };
}

/** BullMQ's own errors about a script that Redis has run, which have no other mark. */
const BULLMQ_ANSWER = /^(?:Missing (?:lock|key)|Lock mismatch|Job .* is not in)/;

/** Not one that answers and refuses, such as one without memory: that is no absence. */
function isUnreachable(thrown: unknown): thrown is RenewalError {
  if (!(thrown instanceof RenewalError) || thrown.code !== "queue.unavailable") return false;
  const { cause } = thrown;
  return !(cause instanceof Error && (cause.name === "ReplyError" || BULLMQ_ANSWER.test(cause.message)));
}
