import { RenewalError } from "../domain/errors.ts";
import { describeRedis, type RedisOptions, secretsOf } from "./options.ts";

const REASON_LENGTH_MAX = 200;

interface NestedErrors {
  readonly errors?: readonly unknown[];
  readonly lastNodeError?: unknown;
}

/**
 * Node reports a name with several addresses as an AggregateError with an empty message; ioredis Cluster hides the
 * node's error.
 */
function innermost(thrown: unknown): unknown {
  // unknown members, checked below
  const { errors, lastNodeError } = (typeof thrown === "object" && thrown !== null ? thrown : {}) as NestedErrors;
  return lastNodeError ?? errors?.[0] ?? thrown;
}

/** One short line without arguments of commands: Redis repeats them in "unknown command" errors. */
export function reasonOf(thrown: unknown, redis: RedisOptions): string {
  const inner = innermost(thrown);
  const text = inner instanceof Error ? inner.message || inner.name : String(inner);
  const line = (text.split("\n", 1)[0] ?? "").replace(/,? ?with args beginning with.*$/, "");
  const clean = secretsOf(redis).reduce((message, secret) => message.replaceAll(secret, "[secret]"), line);
  return clean.length > REASON_LENGTH_MAX ? `${clean.slice(0, REASON_LENGTH_MAX)}…` : clean;
}

/**
 * ioredis hangs the whole command on its errors (`command.args`: AUTH's password, job payloads), and pino prints it.
 * So no error of ioredis or BullMQ leaves this folder: this makes a new one with name and reason only.
 */
export function redisCause(thrown: unknown, redis: RedisOptions): Error {
  const cause = new Error(reasonOf(thrown, redis));
  if (thrown instanceof Error) cause.name = "code" in thrown && thrown.code === "ETIMEDOUT" ? SILENCE : thrown.name;
  return cause;
}

const SILENCE = "SilenceError";

/** Neither an answer nor a refusal came in time. */
export function silence(timeoutMs: number): Error {
  return Object.assign(new Error(`no answer within ${timeoutMs} ms`), { name: SILENCE });
}

/** Redis may be there all the same: it, or this process, may have been too busy. */
export function isSilence({ cause }: RenewalError): boolean {
  return cause instanceof Error && cause.name === SILENCE;
}

/**
 * A reply means that Redis was reached: ioredis names such errors ReplyError. RenewalErrors pass for the same reason.
 */
export function isReply(thrown: unknown): boolean {
  return thrown instanceof RenewalError || (thrown instanceof Error && thrown.name === "ReplyError");
}

/** The one translation of what Redis, ioredis and BullMQ throw. */
export function unavailable(thrown: unknown, redis: RedisOptions): RenewalError {
  if (thrown instanceof RenewalError) return thrown;
  const what = isReply(thrown) ? "refused the command" : "is not reachable";
  return new RenewalError("queue.unavailable", `Redis at ${describeRedis(redis)} ${what}: ${reasonOf(thrown, redis)}`, {
    cause: redisCause(thrown, redis),
  });
}
