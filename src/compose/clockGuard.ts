import type { Clock } from "../domain/clock.ts";
import { toRenewalError } from "../domain/errors.ts";
import type { Log } from "../domain/log.ts";
import type { Store } from "../domain/store.ts";
import { type ClockGuard, createClockGuard } from "../renewal/clockGuard.ts";
import type { Estate } from "../renewal/context.ts";

const ASK_TIMEOUT_MS = 10_000;

interface GuardedParts {
  readonly store: Store;
  readonly estate: Estate;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether this process may ask the CA. */
  readonly asksCa: boolean;
}

type Reference = { readonly name: string; readonly aheadMs: number };

/** Compares this machine's clock with the database server's and, where allowed, with the first CA that answers. */
export function guardClock({ store, estate, clock, log, asksCa }: GuardedParts): ClockGuard {
  const database = async (): Promise<Reference | null> => {
    const time = await store.serverTime();
    return time === null ? null : { name: "the database server's", aheadMs: time - clock.now() };
  };
  const ca = async (signal: AbortSignal): Promise<Reference | null> => {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(ASK_TIMEOUT_MS)]);
    for (const issuer of new Set(estate.certificates().map((certificate) => certificate.issuer))) {
      const aheadMs = await estate
        .issuer(issuer)
        .clockAheadMs?.(limited)
        .catch(() => null);
      if (aheadMs != null) return { name: `the CA's (issuer "${issuer}")`, aheadMs };
    }
    return null;
  };
  return createClockGuard({
    clock,
    references: async (signal) => {
      const answers = await Promise.all([database(), asksCa ? ca(signal) : null]);
      signal.throwIfAborted();
      return answers.filter((answer) => answer !== null);
    },
    async onChange(problem) {
      if (problem === null) log.info({}, "the clock is right again: planning and issuing go on");
      else log.error({ problem }, "the clock is wrong: nothing is planned or issued until it is set");
      const type = problem === null ? "clock.recovered" : "clock.skewed";
      await store.events
        .append({ at: clock.now(), type, certificate: null, renewalId: null, target: null, detail: problem === null ? {} : { message: problem } })
        .catch((thrown: unknown) => log.error({ err: toRenewalError(thrown) }, "event not written"));
    },
  });
}
