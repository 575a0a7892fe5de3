/**
 * Resolves or rejects as the work does, or rejects with the signal's reason as soon as it aborts, even if the work
 * ignores the signal. Under an aborted signal the work is not started. A later result or failure of the work is dropped
 * and never becomes an unhandled rejection.
 */
export async function raceAbort<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  return await new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    Promise.try(work)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", abort));
  });
}

export interface Deadline extends Disposable {
  /** Aborts with the outer signal, or when time is up. */
  readonly signal: AbortSignal;
  /** Time was up first. */
  readonly isOver: () => boolean;
}

/**
 * A bound for what is done many times a second. Nothing of it is left once it is disposed of; `AbortSignal.any` and
 * `AbortSignal.timeout` leave ten times the work, and some kB each until the time would have been up.
 */
export function deadlineAfter(timeoutMs: number, outer: AbortSignal): Deadline {
  const inner = new AbortController();
  const stop = (): void => inner.abort(outer.reason);
  let isOver = false;
  const timer = setTimeout(() => {
    isOver = !inner.signal.aborted;
    inner.abort(new Error(`not done within ${timeoutMs} ms`));
  }, timeoutMs);
  timer.unref();
  if (outer.aborted) stop();
  else outer.addEventListener("abort", stop, { once: true });
  return {
    signal: inner.signal,
    isOver: () => isOver,
    [Symbol.dispose]() {
      clearTimeout(timer);
      outer.removeEventListener("abort", stop);
    },
  };
}
