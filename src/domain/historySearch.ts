import type { EventType, HistoryEvent } from "./event.ts";
import type { Reason, Renewal, RenewalState, Trigger } from "./renewal.ts";

/** What the history is searched for: all of it holds. Texts match in any case, except serial, fingerprint and code. */
export interface HistoryFilter {
  /** In the name of a certificate or in a name that it was issued for. */
  readonly names?: readonly string[];
  /** Of a version that the renewal issued. */
  readonly serials?: readonly string[];
  /** The beginning of a SHA-256 fingerprint. */
  readonly fingerprints?: readonly string[];
  readonly targets?: readonly string[];
  /** In who asked or decided, such as `alice`. */
  readonly actors?: readonly string[];
  /** A code, or the beginning of one such as `acme.`. */
  readonly errors?: readonly string[];
  readonly issuers?: readonly string[];
  /** In an id, a certificate's name, a message or a reason. */
  readonly words?: readonly string[];
  readonly states?: readonly RenewalState[];
  readonly reasons?: readonly Reason[];
  readonly triggers?: readonly Trigger[];
  /** Of events: exactly these kinds; of renewals: those that have such an event. */
  readonly types?: readonly EventType[];
  /** Exactly this certificate. */
  readonly certificate?: string;
  /** ms since epoch: from this instant on. */
  readonly since?: number;
  /** Before this instant. */
  readonly before?: number;
}

/** Where the page before ended. */
export interface HistoryPosition {
  readonly at: number;
  readonly id: string;
}

export interface HistoryPageRequest {
  readonly limit: number;
  readonly after: HistoryPosition | null;
}

/** Renewals of one span of time, such as a day. */
export interface HistoryBar {
  /** ms since epoch; null: everything before the first span. */
  readonly from: number | null;
  readonly state: RenewalState;
  readonly count: number;
}

/** Searches the history in the database. */
export interface HistorySearch {
  /** Newest first. */
  renewals(filter: HistoryFilter, page: HistoryPageRequest): Promise<Renewal[]>;
  /** By state. */
  countRenewals(filter: HistoryFilter): Promise<ReadonlyMap<RenewalState, number>>;
  /** By the error that ended them; null: none did. */
  countErrors(filter: HistoryFilter): Promise<ReadonlyMap<string | null, number>>;
  /** From planned to ended, in ms, of the newest. */
  durations(filter: HistoryFilter, limit: number): Promise<number[]>;
  /** By span of `stepMs` since `from`, and all before it as one; spans without a renewal are left out. */
  histogram(filter: HistoryFilter, steps: { readonly from: number; readonly stepMs: number }): Promise<HistoryBar[]>;
  /** Newest first. Of the filter, what is about renewals alone selects the events of such renewals. */
  events(
    filter: HistoryFilter,
    page: { readonly limit: number; readonly beforeSeq: number | null },
  ): Promise<HistoryEvent[]>;
  countEvents(filter: HistoryFilter): Promise<number>;
  /** Serials of what these renewals issued, by id. */
  serials(renewals: readonly Renewal[]): Promise<ReadonlyMap<string, string>>;
}
