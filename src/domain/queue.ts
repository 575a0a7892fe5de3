/** A hint that work may be due. It carries ids and generations only: all facts come from the database. */
export type Job =
  | {
      readonly kind: "issue";
      readonly renewalId: string;
      readonly generation: number;
      readonly fence: number;
      readonly priority: number;
    }
  | {
      readonly kind: "deploy";
      readonly renewalId: string;
      readonly generation: number;
      readonly target: string;
      /** Only the worker that serves this very target may take it. */
      readonly agent: boolean;
      readonly fence: number;
      readonly priority: number;
    }
  | {
      readonly kind: "verify";
      readonly renewalId: string;
      readonly generation: number;
      /** Only verifiers of this vantage may take it; null: those without one. */
      readonly vantage: string | null;
      readonly fence: number;
      readonly priority: number;
    };

/** What waits in one queue. */
export interface QueueDepth {
  readonly queue: string;
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
  /** When the oldest that waits was added, ms since epoch; null: nothing waits. */
  readonly oldestAt: number | null;
}

export interface JobQueue {
  /**
   * Adds jobs, ignoring those that already wait (same kind, renewal, target and fence).
   * Throws `queue.unavailable` within 2 s when Redis cannot be reached.
   */
  enqueue(jobs: readonly Job[]): Promise<void>;
}
