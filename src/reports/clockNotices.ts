import { ERRORS } from "../domain/errorTable.ts";
import { CLOCK_EVENTS } from "../domain/event.ts";
import type { Heartbeat } from "../domain/heartbeat.ts";
import type { Store } from "../domain/store.ts";
import { isGone, openClockProblems, openDissents } from "../renewal/rules/clock.ts";
import type { Notice } from "./notices.ts";

/** More machines than this do not change their clock's state before a person has looked. */
const EVENTS_MAX = 200;
/** Among so many events one is of another machine. */
const OTHERS_MAX = 200;

/**
 * First of all: while a machine's clock is wrong, its planner, workers and dates cannot be believed. Then the clocks of
 * CAs and servers that are wrong themselves. A machine that is gone stops nothing any more.
 */
export async function clockNotices(store: Pick<Store, "events">, beats: readonly Heartbeat[]): Promise<Notice[]> {
  const events = await store.events.list({ types: CLOCK_EVENTS, limit: EVENTS_MAX });
  const problems = await present(store, beats, openClockProblems(events));
  const dissents = await present(store, beats, openDissents(events));
  const byWitness = new Map(dissents.map((dissent) => [dissent.witness, dissent]));
  return [
    ...problems.map(
      ({ host, message }): Notice => ({
        id: `clock/${host}`,
        kind: "clock",
        what: `${host} has stopped all its work: ${message}`,
        action: ERRORS["clock.skewed"].action,
        needsPerson: true,
        certificates: [],
      }),
    ),
    ...[...byWitness.values()].map(
      ({ witness, message, stopsIssuing }): Notice => ({
        id: `clock/${witness}`,
        kind: "clock",
        what: stopsIssuing ? `no CA agrees with this machine's clock, so nothing is issued: ${message}` : message,
        action: ERRORS["acme.clock"].action,
        // While another CA issues, what has to be renewed says so itself.
        needsPerson: stopsIssuing,
        certificates: [],
      }),
    ),
  ];
}

async function present<Word extends { readonly host: string; readonly seq: number }>(
  { events }: Pick<Store, "events">,
  beats: readonly Heartbeat[],
  words: readonly Word[],
): Promise<Word[]> {
  const found: Word[] = [];
  const newest = words.length === 0 ? [] : await events.list({ limit: OTHERS_MAX });
  for (const word of words) {
    const own = beats.filter(({ host }) => host === word.host);
    const isStopped = own.length > 0 && own.every(({ stoppedAt }) => stoppedAt !== null);
    const after = await events.list({ afterSeq: word.seq, limit: OTHERS_MAX });
    if (!isStopped && !isGone(word.host, after, newest)) found.push(word);
  }
  return found;
}
