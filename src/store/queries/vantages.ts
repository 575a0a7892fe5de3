import type { VantageStore } from "../../domain/vantage.ts";
import type { Db } from "../schema.ts";

/** Rows carry no seal: one that somebody else wrote delays a look by no more than `bringForward` allows. */
export function vantageStore(db: Db): VantageStore {
  return {
    async claimLooks(vantage, { now, nextAt, limit }) {
      const due = await db
        .selectFrom("certificates")
        .leftJoin("vantageLooks", (join) =>
          join.onRef("vantageLooks.certificate", "=", "certificates.name").on("vantageLooks.vantage", "=", vantage),
        )
        .select(["certificates.name", "vantageLooks.nextLookAt"])
        .where("certificates.removedAt", "is", null)
        .where((row) => row.or([row("vantageLooks.nextLookAt", "is", null), row("vantageLooks.nextLookAt", "<=", now)]))
        .orderBy("vantageLooks.nextLookAt", (order) => order.asc().nullsFirst())
        .orderBy("certificates.name")
        .limit(limit)
        .execute();
      const claimed: string[] = [];
      for (const { name } of due) {
        // Of two verifiers that saw it due, the second finds it put off.
        const { numInsertedOrUpdatedRows } = await db
          .insertInto("vantageLooks")
          .values({ vantage, certificate: name, nextLookAt: nextAt })
          .onConflict((conflict) =>
            conflict
              .columns(["vantage", "certificate"])
              .doUpdateSet({ nextLookAt: nextAt })
              .where("vantageLooks.nextLookAt", "<=", now),
          )
          .executeTakeFirst();
        if (numInsertedOrUpdatedRows === 1n) claimed.push(name);
      }
      return claimed;
    },
    async bringForward(by) {
      await db.updateTable("vantageLooks").set({ nextLookAt: by }).where("nextLookAt", ">", by).execute();
    },
  };
}

/** Looks at this certificate, from every vantage, that are due later than this are due then. */
export async function lookFromAll(db: Db, certificate: string, at: number): Promise<void> {
  const later = db.updateTable("vantageLooks").set({ nextLookAt: at }).where("certificate", "=", certificate);
  await later.where("nextLookAt", ">", at).execute();
}
