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
