import { toStorable } from "./dialect/driver.ts";
import { compiledOnce } from "./queries/compiledOnce.ts";
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

type Head = Omit<HistoryHead, "id" | "seal">;

export function headSealOf(vault: Vault, { firstSealed, last, prunedTo, prunedAt, prunedDigest }: Head): string {
  const pruned = prunedTo === 0 ? [] : [prunedTo, prunedAt, prunedDigest];
  return vault.authenticate(`history ${JSON.stringify([firstSealed, last, ...pruned])}`);
}

const NOTHING_PRUNED = { prunedTo: 0, prunedAt: null, prunedDigest: null };

/** PostgreSQL: holds it until the transaction ends. False: there is none yet. */
export async function lockHead(trx: Db): Promise<boolean> {
  const rows = await trx.selectFrom("historyHead").select("id").where("id", "=", HEAD_ID).forUpdate().execute();
  return rows.length > 0;
}

export async function readHead(db: Db): Promise<HistoryHead | null> {
  return (await db.selectFrom("historyHead").selectAll().where("id", "=", HEAD_ID).executeTakeFirst()) ?? null;
}

/** The head as this process wrote it last; null: it has to be read. Its transaction may not have been committed. */
export interface LastHead {
  head: HistoryHead | null;
}

/**
 * As `takeNumbers`, in one statement and without a lock before: compare-and-set on the seal, whose row stays locked
 * until the transaction ends. Null: another process wrote since, or somebody altered the head or added events.
 */
export async function takeNumbersAfter(trx: Db, vault: Vault, count: number, known: LastHead): Promise<number | null> {
  const { head } = known;
  if (head === null) return null;
  const next = { ...head, last: head.last + count };
  const seal = headSealOf(vault, next);
  // Before the answer: the next transaction follows this one.
  known.head = { ...next, seal };
  const { numAffectedRows } = await advance(trx, { last: next.last, seal, knownLast: head.last, knownSeal: head.seal });
  return numAffectedRows === 1n ? head.last + 1 : null;
}

type KnownHead = { readonly knownLast: number; readonly knownSeal: string };

const advance = compiledOnce(
  ["last", "seal", "knownLast", "knownSeal"],
  (trx, { last, seal, knownLast, knownSeal }: Pick<HistoryHead, "last" | "seal"> & KnownHead) =>
    trx
      .updateTable("historyHead")
      .set({ last, seal })
      .where("id", "=", HEAD_ID)
      .where("seal", "=", knownSeal)
      // What somebody altered stays without a valid seal.
      .where("last", "=", knownLast)
      .where((row) =>
        row.not(row.exists(row.selectFrom("events").select("events.seq").where("events.seq", ">", knownLast))),
      ),
);

/**
 * Takes the numbers of the next `count` events and returns the first. The caller holds the lock that keeps
 * other writers out until its transaction ends. A database from before sealing starts sealing after its last event.
 */
export async function takeNumbers(trx: Db, vault: Vault, count: number, known: LastHead): Promise<number> {
  const { head, seq } = await readHeadAndNewest(trx);
  // A head that was set back must not lead to a number that is taken.
  const newest = Math.max(head?.last ?? 0, seq);
  const next = { ...(head ?? { firstSealed: newest + 1, ...NOTHING_PRUNED }), last: newest + count };
  known.head = await writeHead(trx, vault, head, next);
  return newest + 1;
}

/** A head that was altered stays without a valid seal, so that an audit goes on saying so: null. */
async function writeHead(trx: Db, vault: Vault, before: HistoryHead | null, next: Head): Promise<HistoryHead | null> {
  const intact = before === null || before.seal === headSealOf(vault, before);
  const row = { ...next, id: HEAD_ID, seal: intact ? headSealOf(vault, next) : before.seal };
  await trx
    .insertInto("historyHead")
    .values(row)
    .onConflict((conflict) => conflict.column("id").doUpdateSet(row))
    .execute();
  return intact ? row : null;
}

/** What a person accepted although renewd did not write it so. */
export interface AcceptedNumbers {
  has(seq: number): boolean;
  /** All of them, both included. */
  hasAll(from: number, to: number): boolean;
}

/** Believes the record as it is. Only after a person said so. */
export async function resealHead(trx: Db, vault: Vault): Promise<void> {
  const head = await readHead(trx);
  if (head === null) return;
  const seal = headSealOf(vault, head);
  await trx.updateTable("historyHead").set({ seal }).where("id", "=", HEAD_ID).execute();
}

/**
 * Notes that events are about to be removed, `rows` being the oldest there are. Takes them up to the first that an
 * audit would name, and never the last event. Returns the number of the last it took; null: none.
 */
export async function extendPruned(
  trx: Db,
  vault: Vault,
  { rows, accepted }: { readonly rows: readonly EventRow[]; readonly accepted: AcceptedNumbers },
  now: number,
): Promise<number | null> {
  const head = await readHead(trx);
  if (head === null || head.seal !== headSealOf(vault, head)) return null;
  const taken: EventRow[] = [];
  for (const row of rows) {
    const after = Math.max(head.prunedTo, taken.at(-1)?.seq ?? 0);
    if (!follows(vault, { head, after, accepted }, row) || row.seq >= head.last) break;
    taken.push(row);
  }
  const lastTaken = taken.at(-1)?.seq;
  if (lastTaken === undefined) return null;
  // A row that somebody put among those that are gone has a number below it.
  const prunedTo = Math.max(lastTaken, head.prunedTo);
  const digest = vault.authenticate(`pruned ${JSON.stringify([head.prunedDigest, ...taken.map(({ seal }) => seal)])}`);
  await writeHead(trx, vault, head, { ...head, prunedTo, prunedAt: Math.ceil(now), prunedDigest: digest });
  return prunedTo;
}

/** Whether a release that sealed nothing may have written it. Numbers begin with 1, and none is taken again. */
export function isBeforeSealing({ firstSealed, prunedTo }: Head, seq: number): boolean {
  return seq > prunedTo && seq < firstSealed;
}

/** Whether an event is as renewd wrote it and the next after `after`, as far as a person has not accepted otherwise. */
function follows(
  vault: Vault,
  { head, after, accepted }: { readonly head: Head; readonly after: number; readonly accepted: AcceptedNumbers },
  row: EventRow,
): boolean {
  const wanted = Math.max(after + 1, head.firstSealed);
  const isOlder = isBeforeSealing(head, row.seq);
  const sound = isOlder ? row.seal === null : row.seq >= wanted && row.seal === sealOf(vault, row);
  return (isOlder || accepted.hasAll(wanted, row.seq - 1)) && (sound || accepted.has(row.seq));
}

/** Whether retention may take the oldest event, once it is old enough. */
export async function isSound(
  db: Db,
  vault: Vault,
  { row, accepted }: { readonly row: EventRow; readonly accepted: AcceptedNumbers },
): Promise<boolean> {
  const head = await readHead(db);
  if (head === null || head.seal !== headSealOf(vault, head)) return false;
  return follows(vault, { head, after: head.prunedTo, accepted }, row);
}

/** In one statement, as every event that is written asks for both. */
async function readHeadAndNewest(db: Db): Promise<{ readonly head: HistoryHead | null; readonly seq: number }> {
  const newest = db.selectFrom("events").select((row) => row.fn.max<number | null>("events.seq").as("seq"));
  const row = await db
    .selectFrom(newest.as("newest"))
    .leftJoin("historyHead", (join) => join.on("historyHead.id", "=", HEAD_ID))
    .selectAll("historyHead")
    .select("newest.seq")
    .executeTakeFirstOrThrow();
  const { id, firstSealed, last, seal, prunedTo, prunedAt, prunedDigest, seq } = row;
  // Only a head that is not there has none of them.
  const known = id !== null && firstSealed !== null && last !== null && seal !== null && prunedTo !== null;
  return { head: known ? { id, firstSealed, last, seal, prunedTo, prunedAt, prunedDigest } : null, seq: seq ?? 0 };
}
