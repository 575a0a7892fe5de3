/** SIGHUP means "reload". One that comes too early must neither end the process nor be lost. */
export interface Reloads {
  /** From now on every SIGHUP calls `reload`; one call at once for those that came before. */
  serve(reload: () => void): void;
  /** This process has nothing to reload: SIGHUP ends it, as usual, also one that came before. */
  letGo(): Promise<void>;
}

/**
 * Call this before anything else is loaded or opened. The default action of SIGHUP ends the process, and systemd takes
 * that for a clean exit, so it starts nothing again. This file imports nothing, so that entry points have it at once.
 */
export function holdReloads(): Reloads {
  let isRemembered = false;
  let reload: (() => void) | null = null;
  const onSignal = (): void => {
    if (reload === null) isRemembered = true;
    else reload();
  };
  process.on("SIGHUP", onSignal);
  return {
    serve(handler) {
      reload = handler;
      if (isRemembered) handler();
      isRemembered = false;
    },
    async letGo() {
      // A signal that came while modules were loaded is handed over by the event loop's next round only.
      for (let round = 0; round < 2; round++) await new Promise((resolve) => setImmediate(resolve));
      process.off("SIGHUP", onSignal);
      if (isRemembered) process.kill(process.pid, "SIGHUP");
      isRemembered = false;
    },
  };
}
