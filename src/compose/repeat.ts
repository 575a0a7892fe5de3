/**
 * Runs `work` every so often, never twice at once; `close` interrupts it and waits for its end. `first`: whether it
 * runs at once as well.
 */
export function repeat(
  everyMs: number | (() => number),
  work: (signal: AbortSignal) => Promise<unknown>,
  onError: (error: unknown) => void,
  first: "now" | "later" = "later",
): { close(): Promise<void> } {
  const stopped = new AbortController();
  let running: Promise<unknown> | null = null;
  let timer: NodeJS.Timeout | undefined;
  const schedule = (): void => {
    timer = setTimeout(run, typeof everyMs === "number" ? everyMs : everyMs());
  };
  const run = (): void => {
    running ??= Promise.try(work, stopped.signal)
      .catch((thrown: unknown) => {
        if (!stopped.signal.aborted) onError(thrown);
      })
      .finally(() => {
        running = null;
      });
    schedule();
  };
  if (first === "now") run();
  else schedule();
  return {
    async close() {
      clearTimeout(timer);
      stopped.abort();
      await running;
    },
  };
}
