import { z } from "zod";
import { RenewalError } from "../domain/errors.ts";
import { formatInstant } from "../domain/time.ts";
import type { Database } from "./database.ts";
import type { Db } from "./schema.ts";

const MOVED = "moved";
const movedSchema = z.object({ to: z.string(), at: z.number() });

/**
 * Leaves word that the installation goes on in another database. `to` names it without secrets; `at` in ms since epoch.
 */
export async function markMoved(db: Db, to: string, at: number): Promise<void> {
  const value = JSON.stringify({ to, at });
  await db
    .insertInto("meta")
    .values({ name: MOVED, value })
    .onConflict((conflict) => conflict.column("name").doUpdateSet({ value }))
    .execute();
}

/** Two installations that go on from one state would both order. Throws `store.moved`; closes the database then. */
export async function refuseMoved({ db, where }: Database): Promise<void> {
  const row = await db.selectFrom("meta").select("value").where("name", "=", MOVED).executeTakeFirst();
  if (row === undefined) return;
  const { to, at } = movedSchema.parse(JSON.parse(row.value));
  await db.destroy();
  throw new RenewalError("store.moved", `${where} was copied to ${to} at ${formatInstant(at)} and is no longer in use`);
}

/** False: it was not marked. */
export async function unmarkMoved(db: Db): Promise<boolean> {
  const { numDeletedRows } = await db.deleteFrom("meta").where("name", "=", MOVED).executeTakeFirst();
  return numDeletedRows > 0n;
}
