import type { EventType } from "./event.ts";

/**
 * `waiting`: planned until a worker asked the CA. `issuing`: until the pair was there. `deploying`: until the last
 * target had it. `verifying`: until every endpoint was proved. `total`: all of it.
 */
export const TIMED_STAGES = ["waiting", "issuing", "deploying", "verifying", "total"] as const;
export type TimedStage = (typeof TIMED_STAGES)[number];

/** Upper bounds of the buckets in which durations are counted; longer ones are counted in `sum` and `count` alone. */
export const DURATION_BOUNDS_MS = [
  1_000, 5_000, 15_000, 60_000, 300_000, 900_000, 3_600_000, 14_400_000, 86_400_000,
] as const;

export interface StageTotal {
  readonly stage: TimedStage;
  readonly count: number;
  readonly sumMs: number;
  /** For each bound of `DURATION_BOUNDS_MS` how many took at most so long. */
  readonly within: readonly number[];
}

/** What has happened since this database was created, also what retention has removed from the history since. */
export interface Totals {
  readonly events: readonly { readonly type: EventType | string; readonly count: number }[];
  readonly stages: readonly StageTotal[];
  /** Sequence number of the newest event, and of the last one that is counted here. */
  readonly lastSeq: number;
  readonly countedSeq: number;
}

export interface TotalsStore {
  /** Counts what was written since the last call, at most so many events; in a fixed number of statements. */
  count(eventsMax: number): Promise<void>;
  read(): Promise<Totals>;
}
