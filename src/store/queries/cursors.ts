import { CLOCK_SKEW_MAX_MS, leaseUntilMax } from "../../domain/lease.ts";
import type { ChannelCursor, ClaimTerms, CursorStore } from "../../domain/notification.ts";
import { isIntact, sealOfRow, withSeal } from "../rowSeal.ts";
import { atomically, type Db, type Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";

/**
 * A channel whose cursor is beyond the history, or that somebody else moved, receives this many of the newest events
 * again.
 */
const REPEATED_EVENTS = 100;

export function cursorStore(db: Db, vault: Vault): CursorStore {
  return {
    async list() {
      return (await db.selectFrom("channelCursors").selectAll().orderBy("channel").execute()).map(toCursor);
    },
    async retain(channels) {
      const others = db.deleteFrom("channelCursors");
      await (channels.length === 0 ? others : others.where("channel", "not in", channels)).execute();
    },
    claim: (channel, now, terms) => atomically(db, (trx) => claim({ trx, vault }, channel, now, terms)),
    async retryNow(channel) {
      const own = db.updateTable("channelCursors").where("channel", "=", channel);
      await own.set({ nextAttemptAt: null }).execute();
      await own.set({ lastErrorMessage: null }).where("failures", "=", 0).execute();
    },
    async release({ channel, leaseUntil }, patch) {
      const result = await db
        .updateTable("channelCursors")
        .set({ ...patch, leaseUntil: null, seal: sealOf(vault, channel, patch.seq) })
        .where("channel", "=", channel)
        .where("leaseUntil", "=", leaseUntil)
        .executeTakeFirst();
      return result.numUpdatedRows === 1n;
    },
  };
}

function toCursor({ seal: _, ...cursor }: Schema["channelCursors"]): ChannelCursor {
  return cursor;
}

function sealOf(vault: Vault, channel: string, seq: number): string {
  return sealOfRow(vault, "channelCursors", { channel, seq });
}

async function claim(
  { trx, vault }: { readonly trx: Db; readonly vault: Vault },
  channel: string,
  now: number,
  { leaseMs, retryMaxMs }: ClaimTerms,
): Promise<ChannelCursor | null> {
  // A new channel starts at the newest event, not at the beginning of history.
  const newest = await trx
    .selectFrom("events")
    .select((column) => column.fn.max("seq").as("seq"))
    .executeTakeFirst();
  await trx
    .insertInto("channelCursors")
    .values(
      withSeal(vault, "channelCursors", {
        channel,
        seq: Number(newest?.seq ?? 0),
        leaseUntil: null,
        failures: 0,
        nextAttemptAt: null,
        lastErrorMessage: null,
      }),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  // Behind a history that was put back, a cursor would wait in silence for numbers that come much later; and one that
  // somebody moved would pass over what people are to be notified of.
  const last = Number(newest?.seq ?? 0);
  const stored = trx.selectFrom("channelCursors").selectAll().where("channel", "=", channel);
  const found = await stored.executeTakeFirstOrThrow();
  if (found.seq > last || !isIntact(vault, "channelCursors", found)) {
    const again = Math.max(0, last - REPEATED_EVENTS);
    const set = { seq: again, seal: sealOf(vault, channel, again) };
    await trx.updateTable("channelCursors").set(set).where("channel", "=", channel).execute();
  }
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
  return row === undefined ? null : toCursor(row);
}
