import { toRenewalError } from "../domain/errors.ts";
import type { Context } from "../renewal/context.ts";
import { configure } from "../renewal/plan/configure.ts";
import { createParts } from "../renewal/plan/parts.ts";
import { planTick } from "../renewal/plan/tick.ts";
import { partName } from "../renewal/rules/plannerParts.ts";
import { sweep } from "../renewal/steps/sweep.ts";
import { repeat } from "./repeat.ts";

/** With several planners most ticks are another's: silence shorter than this means nothing. */
const TICK_QUIET_MIN_MS = 5_000;

export interface TickTimes {
  readonly tickMs: number;
  readonly sweepMs: number;
}

export interface Ticks {
  /** Applies the configuration: now, or before the first tick at which the clock is right. */
  configure(): Promise<void>;
  run(what: "plan" | "sweep", signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/**
 * The schedule in Redis shares ticks among planners. When none has come for a while (a planner died with Redis while it
 * ran one, and BullMQ waits for its lock) this process plans and sweeps by itself: doing so twice is harmless. A plan that
 * used up its time goes on with the next sweep, and a replacement begins with it: of a thousand certificates that are
 * due at once none waits for a tick more.
 */
export function watchedTicks(
  context: Context,
  times: () => TickTimes,
  onError: (error: unknown) => void,
  onDone: (what: "plan" | "sweep", failing: readonly string[]) => void = () => {},
): Ticks {
  const { clock } = context;
  const quietMaxMs = (what: "plan" | "sweep"): number => {
    const { tickMs, sweepMs } = times();
    return Math.max(2 * (what === "plan" ? tickMs : sweepMs), TICK_QUIET_MIN_MS);
  };
  const last = { plan: clock.monotonic(), sweep: clock.monotonic() };
  const stopped = new AbortController();
  const parts = createParts(context);
  /** Configurations that were to be applied so far, and how many of them were. */
  const configurations = { wanted: 1, applied: 0 };
  let applying: Promise<unknown> = Promise.resolve();
  let isUnfinished = false;
  /** The newest replacement that the last plan knew. */
  let planned: string | undefined;
  const apply = async (signal: AbortSignal): Promise<void> => {
    const { wanted } = configurations;
    if (configurations.applied === wanted) return;
    await configure(context, signal);
    configurations.applied = wanted;
  };
  /** Of a large fleet it takes long: who comes meanwhile waits, and applies nothing twice. */
  const applied = (signal: AbortSignal): Promise<void> => {
    const next = applying.then(() => apply(signal));
    applying = next.catch(() => {});
    return next;
  };
  const run: Ticks["run"] = async (what, signal) => {
    last[what] = clock.monotonic();
    await applied(signal);
    if (what === "plan") {
      planned = await newestReplacement(context);
      isUnfinished = await planTick(context, parts, signal);
    } else await sweep(context, signal);
    onDone(what, what === "plan" ? parts.failing().map((part) => `${partName(part)} failed`) : []);
  };
  const catchUp = async (signal: AbortSignal): Promise<void> => {
    for (const what of ["plan", "sweep"] as const) {
      const isLeft = what === "plan" && (isUnfinished || (await newestReplacement(context)) !== planned);
      if (isLeft || clock.monotonic() - last[what] > quietMaxMs(what)) await run(what, signal);
    }
  };
  const catchingUp = repeat(() => times().sweepMs, catchUp, onError);
  return {
    run,
    async configure() {
      configurations.wanted += 1;
      try {
        await applied(stopped.signal);
      } catch (thrown) {
        if (toRenewalError(thrown).code !== "clock.skewed") throw thrown;
        onError(thrown);
      }
    },
    async close() {
      stopped.abort();
      await catchingUp.close();
    },
  };
}

async function newestReplacement({ store }: Context): Promise<string | undefined> {
  return (await store.replacements.list())[0]?.id;
}
