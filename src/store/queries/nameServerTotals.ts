import type { NameServerTotal, NameServerTotalsStore } from "../../domain/nameServerTotals.ts";
import type { Db } from "../schema.ts";

export function nameServerTotalsStore(db: Db): NameServerTotalsStore {
  return {
    async add(counts, at) {
      if (counts.length === 0) return;
      // In one order, so that two processes that add at once wait for each other.
      const rows = counts.toSorted((a, b) => (`${a.transport} ${a.answer}` < `${b.transport} ${b.answer}` ? -1 : 1));
      await db
        .insertInto("nameServerTotals")
        .values(rows.map((row) => ({ ...row, lastAt: at })))
        .onConflict((conflict) =>
          conflict.columns(["transport", "answer"]).doUpdateSet((row) => ({
            count: row("nameServerTotals.count", "+", row.ref("excluded.count")),
            lastAt: row.ref("excluded.lastAt"),
          })),
        )
        .execute();
    },
    async list() {
      const rows = await db.selectFrom("nameServerTotals").selectAll().orderBy("transport").orderBy("answer").execute();
      // Boundary: only `add` writes them.
      return rows as NameServerTotal[];
    },
  };
}
