import { CLOCK_SKEW_MAX_MS, leaseUntilMax } from "../../domain/lease.ts";
import type { ClaimTerms, CursorStore } from "../../domain/notification.ts";
import { atomically, type Db } from "../schema.ts";

/** A channel whose cursor is beyond the history receives this many of the newest events again. */
const REPEATED_EVENTS = 100;

export function cursorStore(db: Db): CursorStore {
  return {
    list: () => db.selectFrom("channelCursors").selectAll().orderBy("channel").execute(),
    async retain(channels) {
      const others = db.deleteFrom("channelCursors");
      await (channels.length === 0 ? others : others.where("channel", "not in", channels)).execute();
    },
    claim: (channel, now, terms) => atomically(db, (trx) => claim(trx, channel, now, terms)),
    async retryNow(channel) {
      await db.updateTable("channelCursors").set({ nextAttemptAt: null }).where("channel", "=", channel).execute();
    },
    async release({ channel, leaseUntil }, patch) {
      const result = await db
        .updateTable("channelCursors")
        .set({ ...patch, leaseUntil: null })
        .where("channel", "=", channel)
        .where("leaseUntil", "=", leaseUntil)
        .executeTakeFirst();
      return result.numUpdatedRows === 1n;
    },
  };
}

async function claim(trx: Db, channel: string, now: number, { leaseMs, retryMaxMs }: ClaimTerms) {
  // A new channel starts at the newest event, not at the beginning of history.
  const newest = await trx
    .selectFrom("events")
    .select((column) => column.fn.max("seq").as("seq"))
    .executeTakeFirst();
  await trx
    .insertInto("channelCursors")
    .values({
      channel,
      seq: Number(newest?.seq ?? 0),
      leaseUntil: null,
      failures: 0,
      nextAttemptAt: null,
      lastErrorMessage: null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  // Behind a history that was put back, a cursor would wait in silence for numbers that come much later.
  const last = Number(newest?.seq ?? 0);
  await trx
    .updateTable("channelCursors")
    .set({ seq: Math.max(0, last - REPEATED_EVENTS) })
    .where("channel", "=", channel)
    .where("seq", ">", last)
    .execute();
  const row = await trx
    .updateTable("channelCursors")
    .set({ leaseUntil: now + leaseMs })
    .where("channel", "=", channel)
    .where((row) =>
      row.or([
        row("leaseUntil", "is", null),
        row("leaseUntil", "<=", now),
        row("leaseUntil", ">", leaseUntilMax(now, leaseMs)),
      ]),
    )
    .where((row) =>
      row.or([
        row("nextAttemptAt", "is", null),
        row("nextAttemptAt", "<=", now),
        row("nextAttemptAt", ">", now + retryMaxMs + CLOCK_SKEW_MAX_MS),
      ]),
    )
    .returningAll()
    .executeTakeFirst();
  return row ?? null;
}
