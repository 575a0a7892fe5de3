import type { RenewalInfoStore } from "../../domain/store.ts";
import type { Db } from "../schema.ts";

export function renewalInfoStore(db: Db): RenewalInfoStore {
  return {
    async watch(certificate, generation, now) {
      const unknown = { windowStart: null, windowEnd: null, renewAt: null, explanationUrl: null, polledAt: null };
      const row = { generation, ...unknown, nextPollAt: now, failures: 0, errorCode: null, errorMessage: null };
      await db
        .insertInto("renewalInfos")
        .values({ certificate, overdueInRow: 0, orderedAt: null, ...row })
        .onConflict((conflict) => conflict.column("certificate").doUpdateSet(row))
        .execute();
    },
    async get(certificate) {
      return (
        (await db.selectFrom("renewalInfos").selectAll().where("certificate", "=", certificate).executeTakeFirst()) ??
        null
      );
    },
    list: () => db.selectFrom("renewalInfos").selectAll().orderBy("certificate").execute(),
    due: (now, limit) => dueRenewalInfos(db, now, limit).execute(),
    async update(certificate, generation, patch) {
      const query = db.updateTable("renewalInfos").set({ generation, ...patch });
      const result = await query
        .where("certificate", "=", certificate)
        .where("generation", "=", generation)
        .executeTakeFirst();
      return result.numUpdatedRows === 1n;
    },
  };
}

function dueRenewalInfos(db: Db, now: number, limit: number) {
  return db.selectFrom("renewalInfos").selectAll().where("nextPollAt", "<=", now).orderBy("nextPollAt").limit(limit);
}
