/** Removes what nothing needs any more, in batches of at most `limit` rows. Each returns how many it was. */
export interface RetentionStore {
  /** Keys of superseded pairs that expired before this instant and that no target holds or wants. */
  eraseKeys(expiredBefore: number, limit: number): Promise<number>;
  /** The oldest events, up to the first that is younger or that an audit would name, unless a person accepted that. */
  pruneEvents(before: number, now: number, limit: number): Promise<number>;
  /** The oldest event if it is older than that after pruning, or if an audit names it; null: neither. */
  stuckAt(before: number): Promise<number | null>;
  /** Ended renewals that are older and of which no event is left. */
  pruneRenewals(before: number, limit: number): Promise<number>;
  /** Superseded pairs whose key was erased, that are older and of which no event is left. */
  pruneVersions(before: number, limit: number): Promise<number>;
}
