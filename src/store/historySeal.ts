import { toStorable } from "./dialect/driver.ts";
import type { Db, Schema } from "./schema.ts";
import type { Vault } from "./vault.ts";

type EventRow = Schema["events"];
export type HistoryHead = Schema["historyHead"];

const HEAD_ID = 1;

/** Over the stored columns and the number: no row can replace another, and none can be created without the key. */
export function sealOf(
  vault: Vault,
  { seq, at, type, certificate, renewalId, target, worker, detail }: Omit<EventRow, "seal">,
): string {
  return vault.authenticate(
    `event ${JSON.stringify([seq, at, type, certificate, renewalId, target, worker, detail].map(toStorable))}`,
  );
}

export function headSealOf(vault: Vault, { firstSealed, last }: Pick<HistoryHead, "firstSealed" | "last">): string {
  return vault.authenticate(`history ${JSON.stringify([firstSealed, last])}`);
}

export async function readHead(db: Db): Promise<HistoryHead | null> {
  return (await db.selectFrom("historyHead").selectAll().where("id", "=", HEAD_ID).executeTakeFirst()) ?? null;
}

/**
 * Takes the numbers of the next `count` events and returns the first. The caller holds the lock that keeps
 * other writers out until its transaction ends. A database from before sealing starts sealing after its last event.
 */
export async function takeNumbers(trx: Db, vault: Vault, count: number): Promise<number> {
  const head = await readHead(trx);
  const newest = head?.last ?? (await newestSeq(trx));
  const next = { firstSealed: head?.firstSealed ?? newest + 1, last: newest + count };
  const row = { id: HEAD_ID, ...next, seal: headSealOf(vault, next) };
  await trx
    .insertInto("historyHead")
    .values(row)
    .onConflict((conflict) => conflict.column("id").doUpdateSet(row))
    .execute();
  return newest + 1;
}

async function newestSeq(db: Db): Promise<number> {
  const { seq } = await db
    .selectFrom("events")
    .select((row) => row.fn.max<number | null>("seq").as("seq"))
    .executeTakeFirstOrThrow();
  return seq ?? 0;
}
