import type { Clock } from "../domain/clock.ts";
import { toRenewalError } from "../domain/errors.ts";
import type { Log } from "../domain/log.ts";
import type { Store } from "../domain/store.ts";

/** One statement on an index each time. */
const POLL_MS = 2_000;

export interface FollowOptions {
  readonly store: Pick<Store, "definitions">;
  readonly clock: Pick<Clock, "sleep">;
  readonly log: Log;
  /** Of the configuration in force. */
  readonly inForce: () => number;
  /** Never rejects. False: the configuration is wrong, and stays so until somebody changes it. */
  readonly reload: () => Promise<boolean>;
  readonly pollMs?: number;
}

/** Loads the configuration again whenever the database defines certificates in another way. Resolves when it aborts. */
export async function followDefinitions(options: FollowOptions, signal: AbortSignal): Promise<void> {
  const { store, clock, log, inForce, reload, pollMs = POLL_MS } = options;
  /** The revision that was refused: it is not tried again by itself. */
  let refused: number | null = null;
  let isAnswering = true;
  while (!signal.aborted) {
    try {
      const revision = await store.definitions.revision();
      isAnswering = true;
      if (revision !== inForce() && revision !== refused) refused = (await reload()) ? null : revision;
    } catch (thrown) {
      // Each role says by itself what it cannot do without the database.
      if (isAnswering) log.debug({ err: toRenewalError(thrown) }, "definitions in the database not read");
      isAnswering = false;
    }
    await clock.sleep(pollMs, signal).catch(() => {});
  }
}
