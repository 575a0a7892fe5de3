import type { HistoryMark } from "../domain/event.ts";
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
  let seen: HistoryMark | null = null;
  const note = async (): Promise<void> => {
    const last = await noteHistory(context, dataDir, seen);
    seen = last ?? seen;
    const { clock, log } = context;
    if (last === null || clock.monotonic() - loggedAt < LOG_EVERY_MS) return;
    loggedAt = clock.monotonic();
    log.info({ head: markText(last) }, "newest event; keep this elsewhere for `renewd audit verify --head`");
  };
  const onError = (err: unknown): void => context.log.error({ err }, "the newest event could not be noted");
  const startedAt = context.clock.monotonic();
  const isFirst = (): boolean => seen === null && context.clock.monotonic() - startedAt < FIRST_MAX_MS;
  return repeat(() => (isFirst() ? FIRST_TICK_MS : TICK_MS), note, onError);
}

type HistoryWatch = Pick<Context, "store" | "clock" | "log">;

/**
 * The newest event as people note it; null: there is none, or the history was put back. `seen`: what this process noted
 * last, as the file may have been deleted, or put back, with the history.
 */
export async function noteHistory(
  { store, clock, log }: HistoryWatch,
  dataDir: string,
  seen: HistoryMark | null = null,
): Promise<HistoryMark | null> {
  const written = await readMark(dataDir);
  const gone = await firstGone(store.events, [seen, written]);
  if (gone === null || (await isAccepted(store.events, markText(gone)))) {
    const last = await store.events.mark();
    if (last !== null && last.seal !== written?.seal) await writeMark(dataDir, last);
    return last;
  }
  // For `renewd audit verify`, which knows nothing of this process.
  if (gone.seal !== written?.seal) await writeMark(dataDir, gone);
  const lost = { number: gone.seq, seal: gone.seal };
  const told = await store.events.list({ types: ["store.rolledBack"], limit: 100, sealed: true });
  if (told.some(({ detail }) => detail.seal === lost.seal)) return null;
  log.error(lost, "the history was put back or deleted: an event that this machine has seen is gone");
  const of = { certificate: null, renewalId: null, target: null };
  await store.events.append({ at: clock.now(), type: "store.rolledBack", ...of, detail: lost });
  return null;
}

async function firstGone(
  events: Context["store"]["events"],
  marks: readonly (HistoryMark | null)[],
): Promise<HistoryMark | null> {
  for (const mark of marks) if (mark !== null && !(await stillHolds(events, mark))) return mark;
  return null;
}

/** Somebody knows that the noted event is gone: `renewd audit accept`. */
async function isAccepted(events: Context["store"]["events"], noted: string): Promise<boolean> {
  const accepted = await events.list({ types: ["history.accepted"], limit: 100, sealed: true });
  return accepted.some(({ detail: { heads } }) => Array.isArray(heads) && heads.includes(noted));
}
