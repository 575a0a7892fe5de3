import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import type { Context } from "../context.ts";

/** Of the lease's time. A database that refused, as one that others keep busy, is asked again soon. */
const RENEW_AFTER = 1 / 3;
const RETRY_AFTER = 1 / 9;

export interface Lease {
  /**
   * Aborts when the lease is lost, its deadline passes without extension, or the worker shuts down. Its
   * `throwIfAborted` checks the deadline itself: in a process that was stopped and continued, answers may be handled
   * before the timer that would abort.
   */
  readonly signal: AbortSignal;
  /** As `signal`, aborting with a TimeoutError after `timeoutMs` at the latest. */
  within(timeoutMs: number): AbortSignal;
  /** Call before a side effect: throws `lease.lost` when this worker was paused past its deadline. */
  assertHeld(): void;
}

export interface LeaseTerms {
  /** `clock.monotonic()` taken before the claim was sent: the lease counts from there. */
  readonly claimedAt: number;
  /** Compare-and-set on the fence. False: another worker has taken over. */
  readonly extend: (leaseUntil: number) => Promise<boolean>;
}

/**
 * Runs `work` while extending the lease. The deadline is kept locally on the monotonic clock: a worker that cannot
 * reach the database, or that was stopped and continued, must end its side effects by itself. The caller records the
 * outcome after this returns; the fence protects that write.
 */
export async function withLease<T>(
  context: Context,
  terms: LeaseTerms,
  signal: AbortSignal,
  work: (lease: Lease) => Promise<T>,
): Promise<T> {
  const { clock, settings } = context;
  const lost = new AbortController();
  let deadline = terms.claimedAt + settings.leaseMs;
  const lose = (why: string): void => lost.abort(new RenewalError("lease.lost", why));

  const expire = (): void => {
    if (clock.monotonic() < deadline) return;
    if (!lost.signal.aborted) context.leaseRenewed?.(0);
    lose("the lease ran out before it could be renewed");
  };
  /** When to renew next; null: never, the lease is lost. */
  const renew = async (): Promise<number | null> => {
    const startedAt = clock.monotonic();
    try {
      const isExtended = await terms.extend(clock.now() + settings.leaseMs);
      if (!isExtended) {
        lose("another worker has taken over");
        return null;
      }
      context.leaseRenewed?.(Math.max(0, deadline - clock.monotonic()));
      deadline = startedAt + settings.leaseMs;
      return startedAt + settings.leaseMs * RENEW_AFTER;
    } catch (thrown) {
      // Not yet lost: the database may answer again before the deadline.
      context.log.warn({ err: toRenewalError(thrown) }, "lease not renewed");
      return clock.monotonic() + settings.leaseMs * RETRY_AFTER;
    }
  };
  let renewing: Promise<void> | null = null;
  let heartbeat: NodeJS.Timeout | undefined;
  // One extension at a time, even if the database is slow: it is the one awaited at the end.
  const renewAt = (at: number): void => {
    heartbeat = setTimeout(
      () => {
        renewing = renew().then((next) => {
          renewing = null;
          if (next !== null && !hasEnded) renewAt(next);
        });
      },
      Math.max(0, at - clock.monotonic()),
    );
  };
  let hasEnded = false;
  // From the claim on: one that was answered late is renewed at once.
  renewAt(terms.claimedAt + settings.leaseMs * RENEW_AFTER);
  const watchdog = setInterval(expire, Math.min(1_000, settings.leaseMs / 4));
  const checked = (...others: readonly AbortSignal[]): AbortSignal => {
    const all = AbortSignal.any([signal, lost.signal, ...others]);
    const throwIfAborted = all.throwIfAborted.bind(all);
    return Object.assign(all, {
      throwIfAborted() {
        expire();
        throwIfAborted();
      },
    });
  };
  try {
    return await work({
      signal: checked(),
      within: (timeoutMs) => checked(AbortSignal.timeout(timeoutMs)),
      assertHeld() {
        expire();
        lost.signal.throwIfAborted();
        signal.throwIfAborted();
      },
    });
  } finally {
    hasEnded = true;
    clearTimeout(heartbeat);
    clearInterval(watchdog);
    // A late extension must not take the lease again after the caller has released it.
    await renewing;
  }
}

/** The worker stops, or another has taken over: nothing failed, so no attempt is counted and no error recorded. */
export function isInterruption(thrown: unknown, lease: Lease): boolean {
  return lease.signal.aborted || (thrown instanceof RenewalError && thrown.code === "lease.lost");
}

/** Takes the result of a compare-and-set on the fence. False: another worker has raised the fence. */
export function assertNotOvertaken(written: boolean): void {
  if (!written) throw new RenewalError("lease.lost", "another worker has taken over");
}
