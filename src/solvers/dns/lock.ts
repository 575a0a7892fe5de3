import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { DnsLocks } from "../../domain/dnsRecord.ts";
import { RenewalError } from "../../domain/errors.ts";

/** Its holder stops in half of that, so that nobody else writes meanwhile, whatever the clocks say. */
const LOCK_MS = 120_000;
const WORK_MS = 60_000;
const WAIT_MAX_MS = 15_000;
const POLL_MS = 50;
const BUSY_MS = 5_000;

/**
 * Runs `work` while no other process has the lock. Throws `dns.busy` when it does not get the lock in a bounded time,
 * or the signal's reason. `work` gets a signal of its own, which ends before the lock does.
 */
export async function withLock<T>(
  locks: DnsLocks,
  { key, now }: { readonly key: string; now(): number },
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const holder = randomUUID();
  const waitEndsAt = performance.now() + WAIT_MAX_MS;
  for (;;) {
    signal.throwIfAborted();
    if (await locks.take(key, holder, now(), now() + LOCK_MS)) break;
    if (performance.now() > waitEndsAt)
      throw new RenewalError("dns.busy", `Another order changes ${key} just now.`, { retryAt: now() + BUSY_MS });
    await delay(POLL_MS);
  }
  try {
    const ends = AbortSignal.timeout(WORK_MS);
    return await work(AbortSignal.any([signal, ends])).catch((error: unknown) => {
      signal.throwIfAborted();
      if (!ends.aborted) throw error;
      throw new RenewalError("dns.unreachable", `The DNS provider did not answer within ${WORK_MS / 1_000} s.`, {
        cause: error,
      });
    });
  } finally {
    await locks.release(key, holder);
  }
}
