import { setTimeout as delay } from "node:timers/promises";
import { RenewalError } from "../domain/errors.ts";
import type { ChallengeResponse, OrderProgress, Readiness, Solver } from "../domain/issuer.ts";
import { solving } from "./clearAnswers.ts";
import type { Deadline } from "./poll.ts";

/** Fast providers are done by then. For slow ones the worker's slot is given back: they may take an hour. */
const SLOT_MS = 12_000;
const PAUSE_MIN_MS = 100;
/** A hundred names are not all checked at the same moment. */
const CHECKED_AT_ONCE = 8;

export interface PresentedAnswer {
  readonly name: string;
  readonly response: ChallengeResponse;
  readonly solver: Solver;
}

interface Late {
  readonly name: string;
  readonly why: string;
  readonly retryAt: number;
}

/**
 * Returns when the CA is expected to see every answer. Throws `challenge.waiting` with `retryAt` when that takes longer
 * than a worker should wait for: the order is resumed then, and the answers stay published.
 */
export async function awaitReadiness(
  { progress, deadline }: { readonly progress: OrderProgress; readonly deadline: Deadline },
  presented: readonly PresentedAnswer[],
): Promise<void> {
  const endsAt = performance.now() + SLOT_MS;
  let waiting = presented;
  for (;;) {
    const { late, items } = await checkAll(progress, deadline, waiting);
    const [first] = late;
    if (first === undefined) return;
    waiting = items;
    const nextAt = Math.min(...late.map(({ retryAt }) => retryAt));
    const pauseMs = Math.max(PAUSE_MIN_MS, nextAt - deadline.now());
    if (performance.now() + pauseMs > endsAt) return giveSlotBack(progress, late, first);
    await pause(pauseMs, deadline.signal);
  }
}

async function giveSlotBack(progress: OrderProgress, late: readonly Late[], { name, why }: Late): Promise<never> {
  const retryAt = Math.max(...late.map((each) => each.retryAt));
  const others = late.length > 1 ? ` and ${late.length - 1} more` : "";
  const detail = { identifier: name, why, names: late.length, retryAt };
  await progress.save({}, { type: "challenge.waiting", detail });
  throw new RenewalError("challenge.waiting", `The answer for ${name}${others} is not visible yet: ${why}.`, {
    retryAt,
  });
}

async function checkAll(
  progress: OrderProgress,
  { signal }: Deadline,
  waiting: readonly PresentedAnswer[],
): Promise<{ readonly late: readonly Late[]; readonly items: readonly PresentedAnswer[] }> {
  const late: Late[] = [];
  const items: PresentedAnswer[] = [];
  for (let from = 0; from < waiting.length; from += CHECKED_AT_ONCE) {
    const some = waiting.slice(from, from + CHECKED_AT_ONCE);
    const found = await Promise.all(some.map((item) => checkOne(item, signal)));
    for (const [i, readiness] of found.entries()) {
      const item = some[i];
      if (item === undefined) continue;
      if (!readiness.ready) {
        late.push({ name: item.name, why: readiness.why, retryAt: readiness.retryAt });
        items.push(item);
      } else if (readiness.note !== null) {
        const detail = { identifier: item.name, note: readiness.note };
        await progress.save({}, { type: "challenge.unconfirmed", detail });
      }
    }
  }
  return { late, items };
}

async function checkOne({ solver, response }: PresentedAnswer, signal: AbortSignal): Promise<Readiness> {
  if (solver.readiness === undefined) return { ready: true, note: null };
  const check = solver.readiness.bind(solver, response, signal);
  return solving(signal, check);
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
