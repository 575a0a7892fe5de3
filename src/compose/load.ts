import { addAbortListener } from "node:events";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Log } from "../domain/log.ts";
import type { Job } from "../domain/queue.ts";
import { firstConcurrency, isRecovered, isTooBusy, nextConcurrency } from "../renewal/rules/concurrency.ts";

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
  /** When a worker first takes fewer jobs than it could, and when it takes all there are again. */
  readonly onChange: (change: ConcurrencyChange) => void;
  readonly sampleMs?: number;
}

export interface WatchedWorker {
  /**
   * Call before a job claims anything: waits while as many jobs run as the worker may take now. The queue may have
   * handed out more before it took fewer. Returns how to say that the job has ended. Throws when the signal aborts.
   */
  admit(signal: AbortSignal): Promise<() => void>;
  /** As configured from now on. */
  setMax(jobs: number): void;
  /** Ends watching it. */
  end(): void;
}

/** Lets the workers of this process take no more jobs than it can renew leases for. */
export interface LoadWatch {
  /** A claim or a renewal of a lease was recorded, or lost, with this much of the lease left. */
  leaseRenewed(marginMs: number): void;
  /** Sets the worker's first number of jobs. */
  watch(worker: AdjustableWorker): WatchedWorker;
  close(): void;
}

interface State {
  max: number;
  current: number;
  isSlowed: boolean;
  running: number;
  /** The most since the last look, with those that wait. */
  wanted: number;
  readonly waiting: Set<() => void>;
}

export function watchLoad({ leaseMs, log, onChange, sampleMs = SAMPLE_MS }: LoadOptions): LoadWatch {
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  loop.enable();
  const workers = new Map<AdjustableWorker, State>();
  let leaseMarginMs: number | null = null;

  const adjust = (): void => {
    const load = { leaseMs, leaseMarginMs, loopDelayMs: Math.max(0, loop.max / 1e6 - LOOP_RESOLUTION_MS) };
    loop.reset();
    leaseMarginMs = null;
    for (const [worker, state] of workers) {
      const { kind } = worker;
      const { max } = state;
      const before = { current: state.current, max, wanted: state.wanted };
      const jobs = nextConcurrency(before, load);
      state.wanted = state.running + state.waiting.size;
      if (jobs !== state.current) worker.setConcurrency(jobs);
      const isNewlySlowed = isTooBusy(load) && jobs < state.current && !state.isSlowed;
      const isWell = state.isSlowed && isRecovered({ ...before, current: jobs }, load);
      if (isTooBusy(load) && jobs < state.current)
        log.warn({ kind, jobs, max, ...load }, "too busy to renew leases in time: takes fewer jobs");
      state.current = jobs;
      state.isSlowed = isNewlySlowed || (state.isSlowed && !isWell);
      admitWaiting(state);
      if (isWell) log.info({ kind, jobs }, "takes all the jobs there are again");
      if (isNewlySlowed) onChange({ kind, jobs, max });
      else if (isWell) onChange({ kind, jobs: max, max });
    }
  };
  const timer = setInterval(adjust, sampleMs);

  return {
    leaseRenewed(marginMs) {
      leaseMarginMs = Math.min(leaseMarginMs ?? marginMs, marginMs);
    },
    watch(worker) {
      const current = firstConcurrency(worker.max);
      const state: State = { max: worker.max, current, isSlowed: false, running: 0, wanted: 0, waiting: new Set() };
      worker.setConcurrency(current);
      workers.set(worker, state);
      return {
        admit: (signal) => admit(state, signal),
        setMax(jobs) {
          if (jobs === state.max) return;
          state.max = jobs;
          state.current = firstConcurrency(jobs);
          worker.setConcurrency(state.current);
          admitWaiting(state);
        },
        end() {
          workers.delete(worker);
          state.current = Number.POSITIVE_INFINITY;
          admitWaiting(state);
        },
      };
    },
    close() {
      clearInterval(timer);
      loop.disable();
    },
  };
}

async function admit(state: State, signal: AbortSignal): Promise<() => void> {
  signal.throwIfAborted();
  state.wanted = Math.max(state.wanted, state.running + state.waiting.size + 1);
  if (state.running >= state.current) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    using _aborted = addAbortListener(signal, () => {
      state.waiting.delete(resolve);
      reject(signal.reason);
    });
    state.waiting.add(resolve);
    // The job that resolves it has counted it as running.
    await promise;
  } else state.running += 1;
  return () => {
    state.running -= 1;
    admitWaiting(state);
  };
}

function admitWaiting(state: State): void {
  for (const begin of state.waiting) {
    if (state.running >= state.current) return;
    state.waiting.delete(begin);
    state.running += 1;
    begin();
  }
}
