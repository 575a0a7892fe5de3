import type { Clock } from "../domain/clock.ts";
import { toRenewalError } from "../domain/errors.ts";
import type { HistoryEvent } from "../domain/event.ts";
import type { Log } from "../domain/log.ts";
import type { Store } from "../domain/store.ts";

const POLL_MS = 500;
const PAGE = 500;
/** A reader that is so far behind is read to from the database. */
const WAITING_MAX = 1_000;

/** The history, as it is written, for any number of readers: the database is asked once for all of them. */
export interface EventFeed {
  /**
   * Events after `afterSeq` in their order, from the database first, then as they are written; ends with the signal.
   * null: only what is written from now on; once this resolves, nothing is missed, however late reading begins. Yields
   * null when nothing came for a while, so that a broken connection shows.
   */
  read(afterSeq: number | null, signal: AbortSignal): Promise<AsyncGenerator<HistoryEvent | null>>;
  /** Number of the newest event that a reader was told of; 0: none was. */
  heard(): number;
  close(): void;
}

interface FeedOptions {
  readonly store: { readonly events: Pick<Store["events"], "list"> };
  readonly clock: Clock;
  readonly log: Log;
  readonly pollMs?: number;
  /** How long nothing comes before null is yielded. */
  readonly quietMs?: number;
}

interface Reader {
  /** Arrived and not yet yielded; null: too many, they are read from the database. */
  waiting: HistoryEvent[] | null;
  wake: () => void;
}

export function createEventFeed(options: FeedOptions): EventFeed {
  const { store, clock, log, pollMs = POLL_MS, quietMs = 15_000 } = options;
  const readers = new Set<Reader>();
  const closed = new AbortController();
  let isPolling = false;
  /** The newest event that was handed to readers; known while there are any. */
  let position = 0;
  let positionKnown: Promise<void> = Promise.resolve();

  const newest = async (): Promise<number> => (await store.events.list({ limit: 1 }))[0]?.seq ?? 0;

  const poll = async (): Promise<void> => {
    let isFailing = false;
    while (readers.size > 0 && !closed.signal.aborted) {
      try {
        await positionKnown;
        const events = await store.events.list({ afterSeq: position, limit: PAGE });
        position = events.at(-1)?.seq ?? position;
        isFailing = false;
        if (events.length > 0) for (const reader of readers) hand(reader, events);
        if (events.length < PAGE) await clock.sleep(pollMs, closed.signal);
      } catch (thrown) {
        if (closed.signal.aborted) return;
        if (!isFailing)
          log.warn({ err: toRenewalError(thrown) }, "history not read for the event stream; trying again");
        isFailing = true;
        await clock.sleep(pollMs * 10, closed.signal).catch(() => {}); // Closed meanwhile.
      }
    }
  };
  const startPolling = (): void => {
    if (isPolling || readers.size === 0 || closed.signal.aborted) return;
    isPolling = true;
    void poll().finally(() => {
      isPolling = false;
      startPolling();
    });
  };

  async function* eventsOf(reader: Reader, from: number, ended: AbortSignal): AsyncGenerator<HistoryEvent | null> {
    let last = from;
    try {
      // Written before the reader was added; what comes twice is left out by its number.
      let isBehind = true;
      while (!ended.aborted) {
        if (reader.waiting === null) {
          reader.waiting = [];
          isBehind = true;
        }
        while (isBehind && !ended.aborted) {
          const events = await store.events.list({ afterSeq: last, limit: PAGE });
          for (const event of events) {
            last = event.seq;
            yield event;
          }
          isBehind = events.length === PAGE;
        }
        // Too many may have arrived since: the next round reads them from the database.
        const arrived: HistoryEvent[] = takeArrived(reader);
        for (const event of arrived) {
          if (event.seq <= last) continue;
          last = event.seq;
          yield event;
        }
        if (
          arrived.length === 0 &&
          reader.waiting !== null &&
          (await somethingComes(reader, quietMs, ended)) === "quiet"
        )
          yield null;
      }
    } finally {
      readers.delete(reader);
    }
  }

  return {
    async read(afterSeq, signal) {
      const ended = AbortSignal.any([signal, closed.signal]);
      const reader: Reader = { waiting: [], wake: () => {} };
      if (readers.size === 0)
        positionKnown = newest().then((seq) => {
          position = seq;
        });
      readers.add(reader);
      ended.addEventListener("abort", () => readers.delete(reader), { once: true });
      try {
        await positionKnown;
      } catch (thrown) {
        readers.delete(reader);
        throw thrown;
      }
      startPolling();
      return eventsOf(reader, afterSeq ?? position, ended);
    },
    heard: () => position,
    close() {
      closed.abort(new Error("closing"));
    },
  };
}

function takeArrived({ waiting }: Reader): HistoryEvent[] {
  return waiting?.splice(0) ?? [];
}

function hand(reader: Reader, events: readonly HistoryEvent[]): void {
  if (reader.waiting !== null && reader.waiting.length + events.length > WAITING_MAX) reader.waiting = null;
  reader.waiting?.push(...events);
  reader.wake();
}

function somethingComes(reader: Reader, quietMs: number, signal: AbortSignal): Promise<"woken" | "quiet"> {
  return new Promise((resolve) => {
    const end = (how: "woken" | "quiet"): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", wake);
      reader.wake = () => {};
      resolve(how);
    };
    const wake = (): void => end("woken");
    const timer = setTimeout(() => end("quiet"), quietMs);
    signal.addEventListener("abort", wake, { once: true });
    reader.wake = wake;
    // It may have come, or ended, before anybody listened.
    if (signal.aborted || reader.waiting === null || reader.waiting.length > 0) wake();
  });
}
