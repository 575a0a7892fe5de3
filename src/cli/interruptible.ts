import type { Exit } from "./exit.ts";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** For work that must tidy up behind it: a signal ends it early instead of ending the process. */
export async function interruptible(work: (signal: AbortSignal) => Promise<Exit>): Promise<Exit> {
  const interrupt = new AbortController();
  const onSignal = (): void => interrupt.abort(new Error("interrupted"));
  for (const name of SIGNALS) process.once(name, onSignal);
  try {
    return await work(interrupt.signal);
  } catch (thrown) {
    if (thrown === interrupt.signal.reason) return "interrupted";
    throw thrown;
  } finally {
    for (const name of SIGNALS) process.off(name, onSignal);
  }
}
