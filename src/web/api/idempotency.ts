import { createHash } from "node:crypto";
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

/** Carries a request out once, however often it is sent with one key. A refused request did nothing and keeps no key. */
export async function once(
  { renewal: { store, clock } }: WebContext,
  { key: given, actor, method, path, body }: Repeatable,
  work: () => Promise<Omit<Answered, "replayed">>,
): Promise<Answered> {
  if (!KEY.test(given)) throw new HttpProblem(400, "Idempotency-Key: must be 1 to 200 visible ASCII characters");
  const key = digest([actor, given]);
  const request = digest([method, path, body]);
  const at = clock.now();
  let known = await store.webAccess.reserve({ key, request, at });
  if (known !== null && known.status === null && at - known.at > RUNNING_MAX_MS) {
    await store.webAccess.release(key);
    known = await store.webAccess.reserve({ key, request, at });
  }
  if (known !== null) {
    if (known.request !== request)
      throw new HttpProblem(422, "this Idempotency-Key was sent with another request: use a new key for each request");
    if (known.status === null || known.body === null)
      throw new HttpProblem(409, "the first request with this Idempotency-Key has not ended yet; ask again later");
    return { status: known.status, body: known.body, replayed: true };
  }
  try {
    const answered = await work();
    await store.webAccess.answer(key, answered);
    return { ...answered, replayed: false };
  } catch (thrown) {
    await store.webAccess.release(key);
    throw thrown;
  }
}

function digest(parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}
