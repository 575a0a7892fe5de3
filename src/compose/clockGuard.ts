import type { Clock } from "../domain/clock.ts";
import { toRenewalError } from "../domain/errors.ts";
import type { Log } from "../domain/log.ts";
import type { Store } from "../domain/store.ts";
import type { ConfiguredServices } from "../renewal/context.ts";
import { type ClockGuard, type ClockReference, createClockGuard } from "../renewal/watch/clockGuard.ts";

const ASK_TIMEOUT_MS = 10_000;

interface GuardedParts {
  readonly store: Store;
  readonly services: ConfiguredServices;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether this process may ask the CA. */
  readonly asksCa: boolean;
}

/** Compares this machine's clock with the database server's and, where allowed, with the first CA that answers. */
export function guardClock({ store, services, clock, log, asksCa }: GuardedParts): ClockGuard {
  const database = async (): Promise<ClockReference | null> => {
    const time = await store.serverTime();
    return time === null ? null : { name: "the database server's", aheadMs: time - clock.now() };
  };
  const ca = async (signal: AbortSignal): Promise<ClockReference | null> => {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(ASK_TIMEOUT_MS)]);
    let suspicion: ClockReference | null = null;
    for (const name of new Set(services.certificates().map(({ issuer }) => issuer))) {
      try {
        const aheadMs = await services.issuer(name).clockAheadMs?.(limited);
        if (aheadMs != null) return { name: `the CA's (issuer "${name}")`, aheadMs };
      } catch (thrown) {
        const { code, message } = toRenewalError(thrown);
        if (code === "clock.skewed") suspicion = { problem: message };
      }
    }
    return suspicion;
  };
  return createClockGuard({
    clock,
    references: async (signal) => {
      const answers = await Promise.all([database(), asksCa ? ca(signal) : null]);
      signal.throwIfAborted();
      return answers.filter((answer) => answer !== null);
    },
    async onChange(problem) {
      if (problem === null) log.info({}, "the clock is right again: work goes on");
      else
        log.error(
          { problem },
          "the clock is wrong: nothing is planned, issued, deployed or verified by it until it is set",
        );
      const type = problem === null ? "clock.recovered" : "clock.skewed";
      await store.events
        .append({
          at: clock.now(),
          type,
          certificate: null,
          renewalId: null,
          target: null,
          detail: problem === null ? {} : { message: problem },
        })
        .catch((thrown: unknown) => log.error({ err: toRenewalError(thrown) }, "event not written"));
    },
  });
}
