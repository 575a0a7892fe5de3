import type { HistoryEvent } from "../../domain/event.ts";
import { isActive, type Renewal } from "../../domain/renewal.ts";
import type { Context } from "../context.ts";

const POLL_MS = 200;
const PAGE = 500;

interface Followed<R> {
  readonly clock: Context["clock"];
  readonly store: {
    readonly renewals: { get(id: string): Promise<R | null> };
    readonly events: Pick<Context["store"]["events"], "list">;
  };
}

/**
 * Yields a renewal's events as they are written, from its first one. Returns the renewal once it has ended or waits for
 * a person.
 */
export async function* streamEvents<R extends Pick<Renewal, "state">>(
  { store, clock }: Followed<R>,
  renewalId: string,
  signal: AbortSignal,
): AsyncGenerator<HistoryEvent, R | null> {
  let afterSeq = 0;
  for (;;) {
    // The state is read first: the page that follows then contains all events written before the renewal ended.
    const renewal = await store.renewals.get(renewalId);
    const events = await store.events.list({ renewalId, afterSeq, limit: PAGE });
    for (const event of events) {
      afterSeq = event.seq;
      yield event;
    }
    if (renewal === null) return null;
    if ((!isActive(renewal.state) || renewal.state === "held") && events.length < PAGE) return renewal;
    if (events.length < PAGE) await clock.sleep(POLL_MS, signal);
  }
}
