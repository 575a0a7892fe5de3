import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { DnsLocks } from "../../domain/dnsRecord.ts";
import { RenewalError } from "../../domain/errors.ts";

/**
 * Renewed while its holder works. A holder that could not renew it stops in half of that, before anybody else writes.
 */
const LOCK_MS = 20_000;
const RENEW_MS = 4_000;
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
  const held = keep(locks, { key, holder, now });
  try {
    const ends = AbortSignal.timeout(WORK_MS);
    return await work(AbortSignal.any([signal, ends, held.lost])).catch((error: unknown) => {
      signal.throwIfAborted();
      held.lost.throwIfAborted();
      if (!ends.aborted) throw error;
      throw new RenewalError("dns.unreachable", `The DNS provider did not answer within ${WORK_MS / 1_000} s.`, {
        cause: error,
      });
    });
  } finally {
    await held.end();
    await locks.release(key, holder);
  }
}

interface Kept {
  /** Aborted with `dns.busy` when the lock could not be renewed in time: another holder may have it soon. */
  readonly lost: AbortSignal;
  /** Resolves when nothing renews it any more. */
  end(): Promise<void>;
}

function keep(
  locks: DnsLocks,
  { key, holder, now }: { readonly key: string; readonly holder: string; now(): number },
): Kept {
  const lost = new AbortController();
  const ended = new AbortController();
  const renewals = (async () => {
    let renewedAt = performance.now();
    while (!ended.signal.aborted) {
      await delay(RENEW_MS, undefined, { signal: ended.signal, ref: false }).catch(() => undefined);
      if (ended.signal.aborted) return;
      const askedAt = performance.now();
      // A database that does not answer now may answer the next time.
      if (await locks.take(key, holder, now(), now() + LOCK_MS).catch(() => false)) renewedAt = askedAt;
      if (performance.now() - renewedAt > LOCK_MS / 2)
        lost.abort(
          new RenewalError("dns.busy", `The lock of ${key} could not be renewed.`, { retryAt: now() + BUSY_MS }),
        );
    }
  })();
  return {
    lost: lost.signal,
    async end() {
      ended.abort();
      await renewals;
    },
  };
}
