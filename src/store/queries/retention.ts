import { type SqlBool, sql } from "kysely";
import { ACTIVE_STATES } from "../../domain/renewal.ts";
import type { RetentionStore } from "../../domain/retention.ts";
import { DAY_MS } from "../../domain/time.ts";
import { AcceptedEvents, readAccepted } from "../acceptedFaults.ts";
import { extendPruned, isSound } from "../historySeal.ts";
import { intactOnes } from "../rowSeal.ts";
import { atomically, type Db } from "../schema.ts";
import { type EventWriter, lockHistory } from "./events.ts";

/** Between an event and the row it is about, whose instants may come from different machines. */
const MARGIN_MS = DAY_MS;
/** In `versions.sealed_key`: the key was erased. */
export const ERASED = "";

export function retentionStore(db: Db, writer: EventWriter): RetentionStore {
  return {
    eraseKeys: (expiredBefore, limit) => eraseKeys(db, writer, expiredBefore, limit),
    pruneEvents: (before, now, limit) => atomically(db, (trx) => pruneEvents(trx, writer, { before, now, limit })),
    stuckAt: (before) => stuckAt(db, writer, before),
    pruneRenewals: (before, limit) => atomically(db, (trx) => pruneRenewals(trx, writer, before, limit)),
    pruneVersions: (before, limit) => atomically(db, (trx) => pruneVersions(trx, writer, before, limit)),
  };
}

/** A revoked pair's key is compared with later requests, and a current pair's may be reused or deployed. */
export function erasableKeys(db: Db, { dialect }: Pick<EventWriter, "dialect">, expiredBefore: number, limit: number) {
  return db
    .selectFrom("versions")
    .select(["certificate", "generation"])
    .where(sql<SqlBool>`sealed_key <> ''`)
    .where("revokedAt", "is", null)
    .where(expiresAt(dialect), "<", expiredBefore)
    .where(isSuperseded)
    .orderBy("certificate")
    .orderBy("generation")
    .limit(limit);
}

function expiresAt(dialect: EventWriter["dialect"]) {
  return dialect === "sqlite"
    ? sql<number>`json_extract(leaf, '$.notAfter')`
    : sql<number>`(leaf::jsonb->>'notAfter')::bigint`;
}

/** There is a later generation, and no target holds or wants this one. */
const isSuperseded = sql<SqlBool>`exists (select 1 from versions as later
    where later.certificate = versions.certificate and later.generation > versions.generation)
  and not exists (select 1 from deployments where deployments.certificate = versions.certificate
    and versions.generation in (deployments.wanted_generation, deployments.deployed_generation))`;

async function eraseKeys(db: Db, writer: EventWriter, expiredBefore: number, limit: number): Promise<number> {
  const rows = await erasableKeys(db, writer, expiredBefore, limit).execute();
  for (const { certificate, generation } of rows) {
    const one = db.updateTable("versions").set({ sealedKey: ERASED }).where("certificate", "=", certificate);
    await one.where("generation", "=", generation).execute();
  }
  return rows.length;
}

/** From the oldest on, and only what is as renewd wrote it: what an audit would name must stay for it to be named. */
async function pruneEvents(
  trx: Db,
  writer: EventWriter,
  { before, now, limit }: { readonly before: number; readonly now: number; readonly limit: number },
): Promise<number> {
  await lockHistory(trx, writer);
  const oldest = await trx.selectFrom("events").selectAll().orderBy("seq").limit(limit).execute();
  const rows = oldOnes(oldest, before, now);
  if (rows.length === 0) return 0;
  const accepted = new AcceptedEvents(await readAccepted(trx, writer.vault));
  const prunedTo = await extendPruned(trx, writer.vault, { rows, accepted }, now);
  if (prunedTo === null) return 0;
  const { numDeletedRows } = await trx.deleteFrom("events").where("seq", "<=", prunedTo).executeTakeFirst();
  return Number(numDeletedRows);
}

/** Events of the future, which a wrong clock wrote or somebody altered, are as old as what follows them. */
function oldOnes<Row extends { readonly at: number }>(rows: readonly Row[], before: number, now: number): Row[] {
  const young = rows.findIndex(({ at }) => at >= before && at <= now);
  const others = young < 0 ? rows : rows.slice(0, young);
  return others.slice(0, others.findLastIndex(({ at }) => at < before) + 1);
}

/** The last event stays at any age. Of an event that somebody altered nobody knows how old it is. */
async function stuckAt(db: Db, { vault }: EventWriter, before: number): Promise<number | null> {
  const [oldest, next] = await db.selectFrom("events").selectAll().orderBy("seq").limit(2).execute();
  if (oldest === undefined || next === undefined) return null;
  if (oldest.at < before) return oldest.seq;
  const accepted = new AcceptedEvents(await readAccepted(db, vault));
  return (await isSound(db, vault, { row: oldest, accepted })) ? null : oldest.seq;
}

/** Rows go after the events about them: a row that is gone while its events are there counts as deleted by somebody. */
async function cutoff(trx: Db, before: number): Promise<number> {
  const oldest = await trx.selectFrom("events").select("at").orderBy("seq").limit(1).executeTakeFirst();
  return Math.min(before, (oldest?.at ?? 0) - MARGIN_MS);
}

async function pruneRenewals(trx: Db, { vault }: EventWriter, before: number, limit: number): Promise<number> {
  const end = await cutoff(trx, before);
  const page = (offset: number) =>
    trx
      .selectFrom("renewals")
      .selectAll()
      .where("createdAt", "<", end)
      .where("state", "not in", ACTIVE_STATES)
      .orderBy("createdAt")
      .orderBy("id")
      .limit(limit)
      .offset(offset)
      .execute();
  const ids = (await intactOnes(vault, "renewals", page, limit)).map(({ id }) => id);
  if (ids.length > 0) await trx.deleteFrom("renewals").where("id", "in", ids).execute();
  return ids.length;
}

async function pruneVersions(trx: Db, { vault }: EventWriter, before: number, limit: number): Promise<number> {
  const end = await cutoff(trx, before);
  const page = (offset: number) =>
    trx
      .selectFrom("versions")
      .selectAll()
      .where("createdAt", "<", end)
      .where("sealedKey", "=", ERASED)
      .where(isSuperseded)
      .orderBy("createdAt")
      .orderBy("certificate")
      .orderBy("generation")
      .limit(limit)
      .offset(offset)
      .execute();
  const pruned = await intactOnes(vault, "versions", page, limit);
  for (const { certificate, generation } of pruned) {
    const one = trx.deleteFrom("versions").where("certificate", "=", certificate);
    await one.where("generation", "=", generation).execute();
  }
  return pruned.length;
}
