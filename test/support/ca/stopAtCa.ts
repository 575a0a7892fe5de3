import type { System } from "../system/system.ts";
import type { ProxiedRequest } from "./acmeProxy.ts";

export interface StopAtCa {
  /** The request has come, and its sender waits for the answer. */
  readonly reached: Promise<void>;
  /** Cuts the sender's connection: it has died meanwhile, waiting. */
  release(): void;
}

/**
 * Holds the first request that matches, before the CA hears of it (`asked`) or with its answer in hand (`answered`).
 */
export function stopAtCa(
  system: System,
  matches: (request: ProxiedRequest) => boolean,
  when: "asked" | "answered",
): StopAtCa {
  const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let done = false;
  system.intercept(async (request, forward) => {
    if (done || !matches(request)) return null;
    const answer = when === "answered" ? await forward() : null;
    // Pebble refuses a nonce now and then: that request comes again.
    if (answer !== null && answer.status >= 400) return answer;
    done = true;
    reached.resolve();
    await released.promise;
    return "reset";
  });
  return { reached: reached.promise, release: released.resolve };
}
