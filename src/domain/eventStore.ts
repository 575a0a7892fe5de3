import type { EventType, HistoryEvent, HistoryMark, NewEvent } from "./event.ts";

export interface EventFilter {
  readonly certificate?: string;
  readonly renewalId?: string;
  readonly types?: readonly EventType[];
  readonly since?: number;
  /** Only events after this sequence number. */
  readonly afterSeq?: number;
  /** Only events that renewd wrote: for whoever acts on what they say. Others are shown, and audits name them. */
  readonly sealed?: true;
  readonly limit: number;
}

export interface EventStore {
  append(event: NewEvent): Promise<void>;
  /** Oldest first; with a limit, the newest that fit. With `afterSeq`, the oldest that fit. */
  list(filter: EventFilter): Promise<HistoryEvent[]>;
  /** When anything last happened in each of these renewals, ms since epoch. */
  lastOf(renewalIds: readonly string[]): Promise<Map<string, number>>;
  /** Of one event, or of the newest; null: there is none, or it is older than sealing. */
  mark(seq?: number): Promise<HistoryMark | null>;
  /** Retention removed every event up to this number; 0: none. */
  prunedTo(): Promise<number>;
}
