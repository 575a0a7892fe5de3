import { type SelectQueryBuilder, sql } from "kysely";
import type { DnsLocks, DnsRates, DnsRecord, DnsRecordStore, DnsStore } from "../../domain/dnsRecord.ts";
import { HOUR_MS } from "../../domain/time.ts";
import { changeSealed, intactOnes, isIntact, withSeal } from "../rowSeal.ts";
import { atomically, type Db, type Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";

/** A lock that ends later was taken by a wrong clock. */
const LOCK_MAX_MS = HOUR_MS;
const AT_ONE_NAME_MAX = 1_000;

export function dnsStore(db: Db, vault: Vault): DnsStore {
  return { records: records(db, vault), locks: locks(db), rates: rates(db) };
}

type Row = Schema["dnsRecords"];

function records(db: Db, vault: Vault): DnsRecordStore {
  const toRecords = (rows: readonly Row[]): DnsRecord[] => rows.map(({ seal: _, ...record }) => record);
  const intact = (rows: readonly Row[]): DnsRecord[] =>
    toRecords(rows.filter((row) => isIntact(vault, "dnsRecords", row)));
  const oldest = async (rows: SelectQueryBuilder<Schema, "dnsRecords", Row>, limit: number): Promise<DnsRecord[]> => {
    const ordered = rows.orderBy("createdAt").orderBy("id").limit(limit);
    return toRecords(await intactOnes(vault, "dnsRecords", (offset) => ordered.offset(offset).execute(), limit));
  };
  return {
    async insert(record) {
      await db
        .insertInto("dnsRecords")
        .values(withSeal(vault, "dnsRecords", record))
        .execute();
    },
    async update(id, patch) {
      await changeSealed(db, vault, { table: "dnsRecords", key: { id } }, (trx) =>
        trx.updateTable("dnsRecords").set(patch).where("id", "=", id).execute(),
      );
    },
    async delete(id) {
      await db.deleteFrom("dnsRecords").where("id", "=", id).execute();
    },
    async find({ solver, identifier, value, client }) {
      const rows = await db
        .selectFrom("dnsRecords")
        .selectAll()
        .where("solver", "=", solver)
        .where("identifier", "=", identifier)
        .where("value", "=", value)
        .where("client", "is not distinct from", client)
        .orderBy("createdAt", "desc")
        .orderBy("id")
        .execute();
      const found = intact(rows);
      return found.find(({ state }) => state !== "removing") ?? found[0] ?? null;
    },
    async at({ zoneId, zoneName }, name) {
      const rows = db.selectFrom("dnsRecords").selectAll().where("name", "=", name).where("zoneId", "=", zoneId);
      return oldest(rows.where("zoneName", "=", zoneName), AT_ONE_NAME_MAX);
    },
    list: (limit) => oldest(db.selectFrom("dnsRecords").selectAll(), limit),
    async leftovers(now, limit) {
      const rows = db
        .selectFrom("dnsRecords")
        .selectAll()
        .where((row) =>
          row.or([
            row("state", "=", "removing"),
            row("expiresAt", "<=", now),
            row.exists(
              db
                .selectFrom("renewals")
                .select("id")
                .where("renewals.id", "=", row.ref("dnsRecords.renewalId"))
                .where("finishedAt", "is not", null),
            ),
          ]),
        )
        .where((row) => row.or([row("nextAttemptAt", "is", null), row("nextAttemptAt", "<=", now)]));
      return oldest(rows, limit);
    },
  };
}

function locks(db: Db): DnsLocks {
  return {
    async take(key, holder, now, until) {
      // One statement, so that of several processes one gets it.
      const taken = await db
        .insertInto("dnsLocks")
        .values({ key, holder, until })
        .onConflict((conflict) =>
          conflict
            .column("key")
            .doUpdateSet({ holder, until })
            .where((row) =>
              row.or([
                row("dnsLocks.holder", "=", holder),
                row("dnsLocks.until", "<=", now),
                row("dnsLocks.until", ">", now + LOCK_MAX_MS),
              ]),
            ),
        )
        .returning("key")
        .execute();
      return taken.length === 1;
    },
    async release(key, holder) {
      await db.deleteFrom("dnsLocks").where("key", "=", key).where("holder", "=", holder).execute();
    },
  };
}

function rates(db: Db): DnsRates {
  return {
    turn: (key, { everyMs, burst }, { now, latest }) =>
      atomically(db, async (trx) => {
        await trx
          .insertInto("dnsRates")
          .values({ key, nextAt: 0, silentUntil: 0 })
          .onConflict((conflict) => conflict.doNothing())
          .execute();
        // Writes first: on PostgreSQL that locks the row until the end.
        const row = await trx
          .updateTable("dnsRates")
          .set({ nextAt: sql<number>`next_at` })
          .where("key", "=", key)
          .returning(["nextAt", "silentUntil"])
          .executeTakeFirstOrThrow();
        // The generic cell rate algorithm: `nextAt` is when the bucket would be full again, less one burst.
        const nextAt = Math.max(now, Math.min(row.nextAt, now + HOUR_MS));
        const at = Math.max(now, nextAt - (burst - 1) * everyMs, Math.min(row.silentUntil, now + HOUR_MS));
        if (at > latest) return at;
        await trx
          .updateTable("dnsRates")
          .set({ nextAt: Math.max(nextAt, at) + everyMs })
          .where("key", "=", key)
          .execute();
        return at;
      }),
    async silence(key, until) {
      await db
        .insertInto("dnsRates")
        .values({ key, nextAt: 0, silentUntil: until })
        .onConflict((conflict) => conflict.column("key").doUpdateSet({ silentUntil: until }))
        .execute();
    },
  };
}
