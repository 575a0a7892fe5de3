/** Runs `work` every so often, never twice at once; `close` interrupts it and waits for its end. */
export function repeat(
  everyMs: number,
  work: (signal: AbortSignal) => Promise<unknown>,
  onError: (error: unknown) => void,
): { close(): Promise<void> } {
  const stopped = new AbortController();
  let running: Promise<unknown> | null = null;
  const timer = setInterval(() => {
    running ??= Promise.try(work, stopped.signal)
      .catch((thrown: unknown) => {
        if (!stopped.signal.aborted) onError(thrown);
      })
      .finally(() => {
        running = null;
      });
  }, everyMs);
  return {
    async close() {
      clearInterval(timer);
      stopped.abort();
      await running;
    },
  };
}
