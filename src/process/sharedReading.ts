import { setTimeout as delay } from "node:timers/promises";

/** Those who ask together ask within this time, and share a reading. */
const GATHER_MS = 5;
/** Of one core, in the long run: what a reading takes grows with the machine's sockets and processes. */
const SHARE_MAX = 0.1;
/** Readings of a moment: one who asks alone waits for nothing. */
const AHEAD_MS = 100;
const WAIT_MAX_MS = 1_000;

/** What reading costs, and how long to wait for the next one therefore. */
export interface Pace {
  spend<T>(read: () => Promise<T>): Promise<T>;
  waitMs(): number;
}

/** Both in ms. */
export interface PaceClock {
  /** Never set back. */
  readonly now: () => number;
  /** Processor time of this process: on a busy machine the time on the clock says little. */
  readonly used: () => number;
}

export function createPace({ now, used }: PaceClock): Pace {
  let spentMs = 0;
  let settledAt = now();
  const settle = (): void => {
    const at = now();
    spentMs = Math.max(0, spentMs - (at - settledAt) * SHARE_MAX);
    settledAt = at;
  };
  return {
    async spend(read) {
      const before = used();
      try {
        return await read();
      } finally {
        settle();
        spentMs += used() - before;
      }
    },
    waitMs() {
      settle();
      return Math.min(WAIT_MAX_MS, Math.max(GATHER_MS, (spentMs - AHEAD_MS) / SHARE_MAX));
    },
  };
}

/** One reading at a time. Who asks meanwhile shares the next one, so that nobody gets what was read before they asked. */
export function sharedReading<T>(read: () => Promise<T>, pace: Pace): () => Promise<T> {
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
