import { addAbortListener } from "node:events";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Log } from "../domain/log.ts";
import type { Job } from "../domain/queue.ts";
import { MINUTE_MS } from "../domain/time.ts";
import { firstConcurrency, isRecovered, isTooBusy, type Load, nextConcurrency } from "../renewal/rules/concurrency.ts";

const SAMPLE_MS = 2_000;
const STEADY_MS = 5 * MINUTE_MS;

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
  /**
   * When a worker that has jobs first takes fewer than it could, and when it has taken all there are for `steadyMs`. An
   * idle one takes fewer at first, too, while the machine is busy, but nothing was too much for it: that is not said.
   */
  readonly onChange: (change: ConcurrencyChange) => void;
  readonly sampleMs?: number;
  /** A worker at its limit takes fewer and more by turns, several times a minute: that is said once. */
  readonly steadyMs?: number;
}

export interface WatchedWorker {
  /**
   * Call before a job claims anything: waits while as many jobs run as the worker may take now. The queue may have
   * handed out more before it took fewer. Returns how to say that the job has ended. Throws when the signal aborts.
   */
  admit(signal: AbortSignal): Promise<() => void>;
  /** As `admit`, for one that need not begin: null where it would have to wait. */
  tryAdmit(): (() => void) | null;
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
  /** The fewest jobs that were said since it became too busy; null: it is not. */
  fewestSaid: number | null;
  /** `performance.now()`; null: it is not well, or nothing else was said. */
  wellSince: number | null;
  running: number;
  /** The most since the last look, with those that wait. */
  wanted: number;
  readonly waiting: Set<() => void>;
}

export function watchLoad({
  leaseMs,
  log,
  onChange,
  sampleMs = SAMPLE_MS,
  steadyMs = STEADY_MS,
}: LoadOptions): LoadWatch {
  // Each look at the loop wakes an idle process. What counts is a fortieth of the lease (renewal/rules/concurrency.ts).
  const resolution = Math.max(1, Math.floor(leaseMs / 90));
  const loop = monitorEventLoopDelay({ resolution });
  loop.enable();
  const workers = new Map<AdjustableWorker, State>();
  let leaseMarginMs: number | null = null;

  const adjust = (): void => {
    const load = { leaseMs, leaseMarginMs, loopDelayMs: Math.max(0, loop.max / 1e6 - resolution) };
    loop.reset();
    leaseMarginMs = null;
    for (const [worker, state] of workers) {
      const { kind } = worker;
      const { max } = state;
      const before = { current: state.current, max, wanted: state.wanted };
      const jobs = nextConcurrency(before, load);
      state.wanted = state.running + state.waiting.size;
      if (jobs !== state.current) worker.setConcurrency(jobs);
      state.current = jobs;
      admitWaiting(state);
      if (isTooBusy(load) && before.wanted > 0 && jobs < max) sayFewer({ kind, jobs, max }, state, load);
      else sayWell({ kind, jobs: max, max }, state, isRecovered({ ...before, current: jobs }, load));
    }
  };
  const sayFewer = (change: ConcurrencyChange, state: State, load: Load): void => {
    const { fewestSaid } = state;
    state.wellSince = null;
    if (fewestSaid !== null && fewestSaid <= change.jobs) return;
    state.fewestSaid = change.jobs;
    log.warn({ ...change, ...load }, "too busy while its jobs ran: takes fewer");
    if (fewestSaid === null) onChange(change);
  };
  const sayWell = (change: ConcurrencyChange, state: State, isWell: boolean): void => {
    if (state.fewestSaid === null) return;
    const now = performance.now();
    state.wellSince = isWell ? (state.wellSince ?? now) : null;
    if (state.wellSince === null || now - state.wellSince < steadyMs) return;
    state.fewestSaid = null;
    state.wellSince = null;
    log.info({ ...change }, "takes all the jobs there are again");
    onChange(change);
  };
  const timer = setInterval(adjust, sampleMs);

  return {
    leaseRenewed(marginMs) {
      leaseMarginMs = Math.min(leaseMarginMs ?? marginMs, marginMs);
    },
    watch(worker) {
      const current = firstConcurrency(worker.max);
      const said = { fewestSaid: null, wellSince: null };
      const state: State = { max: worker.max, current, ...said, running: 0, wanted: 0, waiting: new Set() };
      worker.setConcurrency(current);
      workers.set(worker, state);
      return {
        admit: (signal) => admit(state, signal),
        tryAdmit: () => (workers.has(worker) ? tryAdmit(state) : null),
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
  return () => end(state);
}

function tryAdmit(state: State): (() => void) | null {
  state.wanted = Math.max(state.wanted, state.running + state.waiting.size + 1);
  if (state.running >= state.current) return null;
  state.running += 1;
  return () => end(state);
}

function end(state: State): void {
  state.running -= 1;
  admitWaiting(state);
}

function admitWaiting(state: State): void {
  for (const begin of state.waiting) {
    if (state.running >= state.current) return;
    state.waiting.delete(begin);
    state.running += 1;
    begin();
  }
}
