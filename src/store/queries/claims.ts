import type { DueClaim } from "../../domain/store.ts";
import { atomically, type Db, isPostgresql } from "../schema.ts";
import { lockCertificates } from "./lockCertificates.ts";

type Turn = "nextObservationAt" | "nextRehearsalAt";

/** Takes certificates whose turn has come, setting when the next is: a fixed number of statements, and one commit. */
export async function claim(db: Db, column: Turn, { now, nextAt, limit }: DueClaim): Promise<string[]> {
  const never = await neverDone(db, column, limit).execute();
  const overdue = never.length < limit ? await overdueOnes(db, column, now, limit - never.length).execute() : [];
  const names = [...never, ...overdue].map(({ name }) => name);
  if (names.length === 0) return [];
  return atomically(db, async (trx) => {
    await lockCertificates(trx, isPostgresql(trx) ? "postgresql" : "sqlite", names);
    const mine = trx.updateTable("certificates").set({ [column]: nextAt });
    // Of two processes that read the same rows, the second finds them put off.
    const isDue = mine
      .where("name", "in", names)
      .where((row) => row.or([row(column, "is", null), row(column, "<=", now)]));
    const taken = new Set((await isDue.returning("name").execute()).map(({ name }) => name));
    return names.filter((name) => taken.has(name));
  });
}

/**
 * Two searches, because SQLite walks the whole index for an OR. Exported so that a test can check their plans. In the
 * order of the index: by name, each claim of a new fleet would sort all of it.
 */
export function neverDone(db: Db, column: Turn, limit: number) {
  const found = db.selectFrom("certificates").select("name").where(column, "is", null).where("removedAt", "is", null);
  return found.orderBy(column).limit(limit);
}

export function overdueOnes(db: Db, column: Turn, now: number, limit: number) {
  const found = db.selectFrom("certificates").select("name").where(column, "<=", now).where("removedAt", "is", null);
  return found.orderBy(column).orderBy("name").limit(limit);
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
