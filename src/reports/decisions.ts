import type { EventType, HistoryEvent } from "../domain/event.ts";
import type { Store } from "../domain/store.ts";
import { eventSentence } from "./eventSentence.ts";
import { iso } from "./instant.ts";

/** What people and programs decided, and what renewd was refused or refused itself. */
const DECISIONS: readonly EventType[] = [
  "certificate.paused",
  "certificate.resumed",
  "certificate.retried",
  "certificate.removed",
  "certificate.renamed",
  "renewal.hurried",
  "renewal.resumed",
  "renewal.rolledBack",
  "replacement.cancelled",
  "drill.started",
  "version.imported",
  "version.renamed",
  "version.reinstated",
  "version.revoked",
  "problem.acknowledged",
  "problem.unacknowledged",
  "request.refused",
  "config.reloaded",
  "config.refused",
  "store.restored",
  "access.granted",
  "access.ended",
  "access.refused",
];

export interface DecisionEntry {
  readonly at: string;
  readonly type: EventType;
  /** null: about renewd itself. */
  readonly certificate: string | null;
  readonly what: string;
  /** Who asked for it, as `user@host`; null: nobody said so, or renewd itself. */
  readonly by: string | null;
  readonly why: string | null;
  readonly until: string | null;
  /** The process that recorded it, such as `web-1/4242`. */
  readonly process: string;
}

export interface DecisionQuery {
  readonly certificate: string | null;
  readonly since: number | null;
  readonly limit: number;
}

/** Newest first. */
export async function decisionsOf(
  store: Store,
  { certificate, since, limit }: DecisionQuery,
): Promise<DecisionEntry[]> {
  const events = await store.events.list({
    types: DECISIONS,
    limit,
    ...(certificate !== null && { certificate }),
    ...(since !== null && { since }),
  });
  return events.map(decisionOf).reverse();
}

function decisionOf(event: HistoryEvent): DecisionEntry {
  const { at, type, certificate, worker, detail } = event;
  const text = (...names: readonly string[]): string | null => {
    const found = names.map((name) => detail[name]).find((value) => typeof value === "string");
    return typeof found === "string" ? found : null;
  };
  const why = text("why", "reason", "message");
  return {
    at: iso(at),
    type,
    certificate,
    what: eventSentence(event),
    by: text("by", "requestedBy") ?? /\(by ([^()]{1,100})\)$/.exec(why ?? "")?.[1] ?? null,
    why,
    until: typeof detail.until === "number" ? iso(detail.until) : null,
    process: worker,
  };
}
