import { setTimeout as delay } from "node:timers/promises";
import type { DnsRates } from "../../domain/dnsRecord.ts";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import { MINUTE_MS } from "../../domain/time.ts";
import type { ProviderTraits } from "./provider.ts";

/** A longer wait gives the worker's slot back. */
const WAIT_MAX_MS = 20_000;
/** A provider that says 429 without an instant. */
const SILENCE_MS = MINUTE_MS;

export interface Pace {
  /** Resolves when the next request may be sent; throws `dns.rateLimited` with `retryAt` when that is far away. */
  turn(signal: AbortSignal): Promise<void>;
  /** Runs a provider's call; when the provider asks for silence, all processes keep it. */
  keep<T>(work: () => Promise<T>): Promise<T>;
}

/** `key` stands for the credential. */
export function createPace(
  rates: DnsRates,
  { key, limit, now }: { readonly key: string; readonly limit: ProviderTraits["rateLimit"]; now(): number },
): Pace {
  const rate =
    limit === undefined
      ? { everyMs: 0, burst: 1 }
      : { everyMs: Math.ceil(limit.perMs / limit.requests), burst: limit.requests };
  return {
    async turn(signal) {
      signal.throwIfAborted();
      const at = Math.ceil(await rates.turn(key, rate, { now: now(), latest: now() + WAIT_MAX_MS }));
      const waitMs = at - now();
      if (waitMs <= 0) return;
      if (waitMs > WAIT_MAX_MS)
        throw new RenewalError("dns.rateLimited", "The DNS provider allows no more requests just now.", {
          retryAt: at,
        });
      try {
        await delay(waitMs, undefined, { signal });
      } catch (error) {
        // Node wraps the reason; callers are promised the reason itself.
        signal.throwIfAborted();
        throw error;
      }
    },
    async keep(work) {
      try {
        return await work();
      } catch (thrown) {
        const error = toRenewalError(thrown);
        if (error.code !== "dns.rateLimited") throw thrown;
        const until = error.retryAt ?? now() + SILENCE_MS;
        await rates.silence(key, until);
        throw new RenewalError("dns.rateLimited", error.message, { cause: thrown, retryAt: until });
      }
    },
  };
}
