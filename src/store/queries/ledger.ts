import { sql } from "kysely";
import type { Bucket, Ledger } from "../../domain/budget.ts";
import { atomically, type Db, type Dialect } from "../schema.ts";

/** An arbitrary constant: the advisory lock that makes withdrawals wait for each other. */
const LEDGER_LOCK = 7_236_884;
/** SQLite takes 32,766 parameters in one statement. */
const KEYS_MAX = 1_000;

export function ledgerStore(db: Db, dialect: Dialect): Ledger {
  return {
    async lock() {
      // SQLite has one writer. A row lock is not enough: a bucket may have no row yet.
      if (dialect === "postgresql") await sql`select pg_advisory_xact_lock(${sql.lit(LEDGER_LOCK)})`.execute(db);
    },
    list: (now) => db.selectFrom("ledger").selectAll().where("fullAt", ">", now).execute(),
    async read(keys) {
      const found: Bucket[] = [];
      for (let from = 0; from < keys.length; from += KEYS_MAX) {
        const some = keys.slice(from, from + KEYS_MAX);
        const rows = db.selectFrom("ledger").selectAll();
        found.push(
          ...(await rows
            .where((row) => row.or(some.map(({ scope, kind, key }) => row.and({ scope, kind, key }))))
            .execute()),
        );
      }
      return found;
    },
    write: (buckets) =>
      atomically(db, async (trx) => {
        for (const bucket of buckets) {
          await trx
            .insertInto("ledger")
            .values(bucket)
            .onConflict((conflict) => conflict.columns(["scope", "kind", "key"]).doUpdateSet({ fullAt: bucket.fullAt }))
            .execute();
        }
      }),
    async prune(now) {
      const { numDeletedRows } = await db.deleteFrom("ledger").where("fullAt", "<=", now).executeTakeFirst();
      return Number(numDeletedRows);
    },
    async reserved(renewalId) {
      return db
        .selectFrom("reservations")
        .select(["scope", "kind", "key", "tokenMs"])
        .where("renewalId", "=", renewalId)
        .execute();
    },
    async reserve(renewalId, taken) {
      if (taken.length === 0) return;
      const rows = taken.map(({ scope, kind, key, tokenMs }) => ({ renewalId, scope, kind, key, tokenMs }));
      await db.insertInto("reservations").values(rows).execute();
    },
    async release(renewalId) {
      await db.deleteFrom("reservations").where("renewalId", "=", renewalId).execute();
    },
  };
}
