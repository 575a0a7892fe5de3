import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Log } from "../domain/log.ts";
import type { Job } from "../domain/queue.ts";
import { firstConcurrency, nextConcurrency } from "../renewal/rules/concurrency.ts";

const SAMPLE_MS = 2_000;
const LOOP_RESOLUTION_MS = 10;

/** A worker whose number of jobs at a time can be changed. */
export interface AdjustableWorker {
  readonly kind: Job["kind"];
  /** As configured. */
  readonly max: number;
  setConcurrency(jobs: number): void;
}

export interface ConcurrencyChange {
  readonly kind: Job["kind"];
  readonly jobs: number;
  readonly max: number;
}

export interface LoadOptions {
  readonly leaseMs: number;
  readonly log: Log;
  /** When a worker first takes fewer jobs than configured, and when it takes all again. */
  readonly onChange: (change: ConcurrencyChange) => void;
  readonly sampleMs?: number;
}

/** Lets the workers of this process take no more jobs than it can renew leases for. */
export interface LoadWatch {
  /** A lease was renewed, or lost, with this much of it left. */
  leaseRenewed(marginMs: number): void;
  /** Sets the worker's first number of jobs. Returns how to end watching it. */
  watch(worker: AdjustableWorker): () => void;
  close(): void;
}

export function watchLoad({ leaseMs, log, onChange, sampleMs = SAMPLE_MS }: LoadOptions): LoadWatch {
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  loop.enable();
  const workers = new Map<AdjustableWorker, { current: number; isSlowed: boolean }>();
  let leaseMarginMs: number | null = null;

  const adjust = (): void => {
    const load = { leaseMs, leaseMarginMs, loopDelayMs: Math.max(0, loop.max / 1e6 - LOOP_RESOLUTION_MS) };
    loop.reset();
    leaseMarginMs = null;
    for (const [worker, state] of workers) {
      const { kind, max } = worker;
      const jobs = nextConcurrency({ current: state.current, max }, load);
      if (jobs === state.current) continue;
      if (jobs < state.current)
        log.warn({ kind, jobs, max, ...load }, "too busy to renew leases in time: takes fewer jobs");
      worker.setConcurrency(jobs);
      const isNewlySlowed = jobs < state.current && !state.isSlowed;
      const isRecovered = jobs === max && state.isSlowed;
      state.isSlowed = isNewlySlowed || (state.isSlowed && !isRecovered);
      state.current = jobs;
      if (isRecovered) log.info({ kind, jobs }, "takes as many jobs as configured again");
      if (isNewlySlowed || isRecovered) onChange({ kind, jobs, max });
    }
  };
  const timer = setInterval(adjust, sampleMs);

  return {
    leaseRenewed(marginMs) {
      leaseMarginMs = Math.min(leaseMarginMs ?? marginMs, marginMs);
    },
    watch(worker) {
      const current = firstConcurrency(worker.max);
      worker.setConcurrency(current);
      workers.set(worker, { current, isSlowed: false });
      return () => void workers.delete(worker);
    },
    close() {
      clearInterval(timer);
      loop.disable();
    },
  };
}
