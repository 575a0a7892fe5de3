import type { DueClaim } from "../../domain/store.ts";
import type { Db } from "../schema.ts";

/** Takes certificates whose turn has come, setting when the next is. */
export async function claim(
  db: Db,
  column: "nextObservationAt" | "nextRehearsalAt",
  { now, nextAt, limit }: DueClaim,
): Promise<string[]> {
  const due = await db
    .selectFrom("certificates")
    .select(["name", `${column} as seen`])
    .where("removedAt", "is", null)
    .where((row) => row.or([row(column, "is", null), row(column, "<=", now)]))
    // PostgreSQL puts what never was done last unless asked: a full page of others would keep it waiting.
    .orderBy(column, (order) => order.asc().nullsFirst())
    .orderBy("name")
    .limit(limit)
    .execute();
  const claimed: string[] = [];
  for (const { name, seen } of due) {
    const update = db
      .updateTable("certificates")
      .set({ [column]: nextAt })
      .where("name", "=", name);
    // Compare-and-set: of two processes that saw the same instant, one gets it.
    const result = await update.where(column, seen === null ? "is" : "=", seen).executeTakeFirst();
    if (result.numUpdatedRows === 1n) claimed.push(name);
  }
  return claimed;
}

/** As `claim`, of this certificate. */
export async function claimRehearsal(
  db: Db,
  name: string,
  { now, nextAt }: Pick<DueClaim, "now" | "nextAt">,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable("certificates")
    .set({ nextRehearsalAt: nextAt })
    .where("name", "=", name)
    .where("removedAt", "is", null)
    .where((row) => row.or([row("nextRehearsalAt", "is", null), row("nextRehearsalAt", "<=", now)]))
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}
