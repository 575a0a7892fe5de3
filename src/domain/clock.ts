/** Wall time for what is stored and shown; monotonic time for intervals, so that a stepped clock ends no lease. */
export interface Clock {
  /** ms since epoch. */
  now(): number;
  /** ms since some fixed point of this process. */
  monotonic(): number;
  /** Rejects with the signal's reason when aborted. */
  sleep(durationMs: number, signal: AbortSignal): Promise<void>;
}
