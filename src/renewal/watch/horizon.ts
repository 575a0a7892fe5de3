import { toRenewalError } from "../../domain/errors.ts";
import type { HorizonEntry, HorizonSource } from "../../domain/horizon.ts";
import { HOUR_MS, MINUTE_MS } from "../../domain/time.ts";
import type { Context } from "../context.ts";

/** A look at one source takes no longer. */
const LOOK_MAX_MS = 30_000;
const EVERY_MS = 6 * HOUR_MS;
/** What ends soon, or could not be read, is looked at more often. */
const SOON_MS = 24 * HOUR_MS;
const SOONER_MS = 10 * MINUTE_MS;
const AGAIN_MS = HOUR_MS;

type HorizonContext = Pick<Context, "store" | "services" | "log"> & { readonly clock: Pick<Context["clock"], "now"> };

/** Reads the ends of what renewals need, as far as it is time to. Returns how many sources were asked. */
export async function watchHorizon(context: HorizonContext, signal: AbortSignal): Promise<number> {
  const { store, services, clock } = context;
  const sources = services.horizon?.() ?? [];
  await store.horizon.keep(sources.map(({ subject }) => subject));
  const known = Map.groupBy(await store.horizon.list(), ({ subject }) => subject);
  let asked = 0;
  for (const source of sources) {
    signal.throwIfAborted();
    const before = known.get(source.subject) ?? [];
    if (!isDue(source, before, clock.now())) continue;
    asked += 1;
    await store.horizon.replace(source.subject, await look(context, source, before, signal));
  }
  return asked;
}

function isDue({ owner, runbook }: HorizonSource, before: readonly HorizonEntry[], now: number): boolean {
  if (before.length === 0) return true;
  return before.some(({ checkedAt, ends, problem, ...entry }) => {
    const everyMs = problem !== null ? AGAIN_MS : ends !== null && ends - now < SOON_MS ? SOONER_MS : EVERY_MS;
    // A clock that was put back must not keep it from being looked at.
    return Math.abs(now - checkedAt) >= everyMs || entry.owner !== owner || entry.runbook !== runbook;
  });
}

async function look(
  { clock, log }: HorizonContext,
  source: HorizonSource,
  before: readonly HorizonEntry[],
  signal: AbortSignal,
): Promise<HorizonEntry[]> {
  const { kind, subject, owner, runbook } = source;
  const of = { kind, subject, owner, runbook, checkedAt: clock.now() };
  try {
    const found = await source.look(AbortSignal.any([signal, AbortSignal.timeout(LOOK_MAX_MS)]));
    if (found.length > 0) return found.map((end) => ({ ...of, ...end, problem: null }));
    return [{ ...of, what: "nothing that ends", ends: null, begins: null, note: null, problem: null }];
  } catch (thrown) {
    signal.throwIfAborted();
    const { message } = toRenewalError(thrown);
    log.debug({ subject, err: toRenewalError(thrown) }, "an end could not be read");
    // What was known stays: a registry that does not answer prolongs nothing.
    const last = before.length > 0 ? before : [{ what: "not known", ends: null, begins: null, note: null }];
    return last.map(({ what, ends, begins, note }) => ({ ...of, what, ends, begins, note, problem: message }));
  }
}
