import { type RenewalError, toRenewalError } from "../../domain/errors.ts";
import { HOUR_MS } from "../../domain/time.ts";
import type { Context } from "../context.ts";
import { errorDetail } from "../history.ts";
import type { PlannerPart } from "../rules/plannerParts.ts";

/** A part of the planner that keeps failing is recorded again after this. */
const REPEAT_MS = 6 * HOUR_MS;
/** More than there are parts, with an end each. */
const EVENTS_MAX = 100;

interface Reported {
  readonly code: string;
  readonly at: number;
}

/** The parts of a planner's work. Each runs alone: one that fails must not stop the others. */
export interface Parts {
  /** null: the part failed, which is logged and recorded. Rethrows when the process stops or its clock is wrong. */
  run<T>(part: PlannerPart, work: () => Promise<T>, signal: AbortSignal): Promise<T | null>;
  /** Those whose last run failed. */
  failing(): readonly string[];
}

/** `failuresMin`: so many in a row are recorded; what runs every few seconds may fail once. */
export function createParts(context: Context, failuresMin = 1): Parts {
  const failing = new Map<string, Reported>();
  const inRow = new Map<string, number>();
  const looked = new Set<string>();
  return {
    failing: () => [...inRow.keys()],
    async run(part, work, signal) {
      try {
        const result = await work();
        inRow.delete(part);
        const hadFailed = !looked.has(part) && (await failedBefore(context, part));
        looked.add(part);
        if (failing.delete(part) || hadFailed) await record(context, "planner.partRecovered", { part });
        return result;
      } catch (thrown) {
        const error = toRenewalError(thrown);
        // The clock guard reports a wrong clock itself, and it stops every part.
        if (signal.aborted || error.code === "clock.skewed") throw thrown;
        const failures = (inRow.get(part) ?? 0) + 1;
        inRow.set(part, failures);
        context.log.error({ part, code: error.code, err: error }, "a part of the planner failed; the others go on");
        if (failures >= failuresMin) await recordFailing(context, failing, part, error);
        return null;
      }
    },
  };
}

/** In a process before this one: a restart with what cures it is the usual end of a failure. */
async function failedBefore({ store, log }: Context, part: PlannerPart): Promise<boolean> {
  try {
    const types = ["planner.partFailed", "planner.partRecovered"] as const;
    const events = await store.events.list({ types, limit: EVENTS_MAX });
    return events.findLast(({ detail }) => detail.part === part)?.type === "planner.partFailed";
  } catch (thrown) {
    log.debug({ part, err: toRenewalError(thrown) }, "whether it failed before cannot be read");
    return false;
  }
}

async function recordFailing(
  context: Context,
  failing: Map<string, Reported>,
  part: PlannerPart,
  error: RenewalError,
): Promise<void> {
  const now = context.clock.monotonic();
  const known = failing.get(part);
  if (known !== undefined && known.code === error.code && now - known.at < REPEAT_MS) return;
  // A database that is away is reported once it is back: until then nothing can be recorded.
  if (!(await record(context, "planner.partFailed", { part, ...errorDetail(error) }))) return;
  failing.set(part, { code: error.code, at: now });
}

/** False: not recorded, as the database may be what fails. */
async function record(
  { store, clock, log }: Context,
  type: "planner.partFailed" | "planner.partRecovered",
  detail: Readonly<Record<string, string>>,
): Promise<boolean> {
  try {
    await store.events.append({ at: clock.now(), type, certificate: null, renewalId: null, target: null, detail });
    return true;
  } catch (thrown) {
    log.warn({ err: toRenewalError(thrown) }, "the failure of a part could not be recorded");
    return false;
  }
}
