import type { Context } from "../renewal/context.ts";
import { markText, readMark, stillHolds, writeMark } from "../store/index.ts";
import { repeat } from "./repeat.ts";

const TICK_MS = 10_000;
/** Until there is a first event: what is deleted before it is noted would look like a new installation. */
const FIRST_TICK_MS = 250;
const FIRST_MAX_MS = 60_000;
const LOG_EVERY_MS = 86_400_000;

/**
 * Notes the newest event outside the database, and finds a history that was put back: people are paged once, and
 * `renewd audit verify` says so until somebody has accepted it.
 */
export function watchHistory(context: HistoryWatch, dataDir: string): { close(): Promise<void> } {
  let loggedAt = Number.NEGATIVE_INFINITY;
  let isNoted = false;
  const note = async (): Promise<void> => {
    const last = await noteHistory(context, dataDir);
    isNoted ||= last !== null;
    const { clock, log } = context;
    if (last === null || clock.monotonic() - loggedAt < LOG_EVERY_MS) return;
    loggedAt = clock.monotonic();
    log.info({ head: last }, "newest event; keep this elsewhere for `renewd audit verify --head`");
  };
  const onError = (err: unknown): void => context.log.error({ err }, "the newest event could not be noted");
  const startedAt = context.clock.monotonic();
  const isFirst = (): boolean => !isNoted && context.clock.monotonic() - startedAt < FIRST_MAX_MS;
  return repeat(() => (isFirst() ? FIRST_TICK_MS : TICK_MS), note, onError);
}

type HistoryWatch = Pick<Context, "store" | "clock" | "log">;

/** The newest event as people note it; null: there is none, or the history was put back. */
export async function noteHistory({ store, clock, log }: HistoryWatch, dataDir: string): Promise<string | null> {
  const noted = await readMark(dataDir);
  if (noted === null || (await stillHolds(store.events, noted))) {
    const last = await store.events.mark();
    if (last !== null && last.seal !== noted?.seal) await writeMark(dataDir, last);
    return last === null ? null : markText(last);
  }
  if (await isAccepted(store.events, markText(noted))) {
    const last = await store.events.mark();
    if (last !== null) await writeMark(dataDir, last);
    return last === null ? null : markText(last);
  }
  const lost = { number: noted.seq, seal: noted.seal };
  const told = await store.events.list({ types: ["store.rolledBack"], limit: 100 });
  if (told.some(({ detail }) => detail.seal === lost.seal)) return null;
  log.error(lost, "the history was put back or deleted: an event that this machine has seen is gone");
  const of = { certificate: null, renewalId: null, target: null };
  await store.events.append({ at: clock.now(), type: "store.rolledBack", ...of, detail: lost });
  return null;
}

/** Somebody knows that the noted event is gone: `renewd audit accept`. */
async function isAccepted(events: Context["store"]["events"], noted: string): Promise<boolean> {
  const accepted = await events.list({ types: ["history.accepted"], limit: 100 });
  return accepted.some(({ detail: { heads } }) => Array.isArray(heads) && heads.includes(noted));
}
