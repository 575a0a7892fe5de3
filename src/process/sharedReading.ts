import { setTimeout as delay } from "node:timers/promises";

/** Those who ask together ask within this time, and share a reading. */
const GATHER_MS = 5;
/** From one reading to the next, in the long run. One who asks alone, or a few, wait for nothing. */
const INTERVAL_MS = 200;
const AT_ONCE = 10;
/** What a reading takes grows with the machine's sockets and processes: for half of the time it pauses. */
const PAUSE_SHARE = 2;
const WAIT_MAX_MS = 1_000;

/** How often may be read. */
export interface Pace {
  /** `leastMs`: for how much time it counts though it takes less. Left out: that from one reading to the next. */
  spend<T>(read: () => Promise<T>, leastMs?: number): Promise<T>;
  waitMs(): number;
}

/** `now`: ms of a clock that is never set back. */
export function createPace(now: () => number = () => performance.now()): Pace {
  let spentMs = 0;
  let settledAt = now();
  const settle = (): void => {
    const at = now();
    spentMs = Math.max(0, spentMs - (at - settledAt));
    settledAt = at;
  };
  return {
    async spend(read, leastMs = INTERVAL_MS) {
      const startedAt = now();
      settle();
      try {
        return await read();
      } finally {
        spentMs += Math.max(leastMs, PAUSE_SHARE * (now() - startedAt));
      }
    },
    waitMs() {
      settle();
      return Math.min(WAIT_MAX_MS, Math.max(GATHER_MS, spentMs - (AT_ONCE - 1) * INTERVAL_MS));
    },
  };
}

/** One reading at a time. Who asks meanwhile shares the next one, so that nobody gets what was read before they asked. */
export function sharedReading<T>(read: () => Promise<T>, pace: Pace = createPace()): () => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | null = null;
  return () => {
    if (next !== null) return next;
    const mine = last
      .catch(() => undefined)
      .then(() => delay(pace.waitMs()))
      .then(() => {
        next = null;
        return pace.spend(read);
      });
    next = mine;
    last = mine;
    return mine;
  };
}

/** For what changes only now and then: who asks within `keepMs` shares a reading. One that fails is not kept. */
export function keptReading<T>(
  keepMs: number,
  read: () => Promise<T>,
  now: () => number = () => performance.now(),
): () => Promise<T> {
  let last: { readonly at: number; readonly reading: Promise<T> } | null = null;
  return () => {
    if (last !== null && now() - last.at < keepMs) return last.reading;
    const mine = { at: now(), reading: read() };
    last = mine;
    mine.reading.catch(() => {
      if (last === mine) last = null;
    });
    return mine.reading;
  };
}
