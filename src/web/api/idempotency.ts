import { createHash } from "node:crypto";
import type { WebAnswer } from "../../domain/webAccess.ts";
import type { WebContext } from "../context.ts";
import { HttpProblem } from "../problem.ts";

const KEY = /^[\x21-\x7e]{1,200}$/;
/** A process that died in between leaves its key taken: after this the request may be sent again. */
const RUNNING_MAX_MS = 120_000;

export interface Repeatable {
  readonly key: string;
  readonly actor: string;
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

export interface Answered {
  readonly status: number;
  readonly body: string;
  /** The answer of an earlier request with the same key. */
  readonly replayed: boolean;
}

/** How a key is kept, and what it stands for. Throws 400. */
export function keyOf({ key: given, actor, method, path, body }: Repeatable): Pick<WebAnswer, "key" | "request"> {
  if (!KEY.test(given)) throw new HttpProblem(400, "Idempotency-Key: must be 1 to 200 visible ASCII characters");
  return { key: digest([actor, given]), request: digest([method, path, body]) };
}

/** The answer of the first request with this key. Throws 422 when it was another one, 409 when it has not ended yet. */
export function replayOf(known: WebAnswer, request: Repeatable): Answered {
  if (known.request !== keyOf(request).request)
    throw new HttpProblem(422, "this Idempotency-Key was sent with another request: use a new key for each request");
  if (known.status === null || known.body === null)
    throw new HttpProblem(409, "the first request with this Idempotency-Key has not ended yet; ask again later");
  return { status: known.status, body: known.body, replayed: true };
}

/**
 * Carries out what reaches beyond the database, once, however often it is sent with one key. A refused request did
 * nothing and keeps no key. After a crash in between it is carried out again: each such action may run twice.
 */
export async function once(
  { renewal: { store, clock } }: WebContext,
  request: Repeatable,
  work: () => Promise<Omit<Answered, "replayed">>,
): Promise<Answered> {
  const own = keyOf(request);
  const at = clock.now();
  let known = await store.webAccess.reserve({ ...own, at });
  if (known !== null && known.status === null && at - known.at > RUNNING_MAX_MS) {
    await store.webAccess.release(own.key);
    known = await store.webAccess.reserve({ ...own, at });
  }
  if (known !== null) return replayOf(known, request);
  try {
    const answered = await work();
    await store.webAccess.answer(own.key, answered);
    return { ...answered, replayed: false };
  } catch (thrown) {
    await store.webAccess.release(own.key);
    throw thrown;
  }
}

/** A UUID that is the same for the same parts (RFC 9562 §5.8). */
export function idFrom(parts: readonly string[]): string {
  const hex = digest(parts);
  const variant = "89ab"[Number.parseInt(hex[16] ?? "0", 16) % 4];
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join("-");
}

function digest(parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}
