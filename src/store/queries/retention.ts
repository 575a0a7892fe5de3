import { type SqlBool, sql } from "kysely";
import { ACTIVE_STATES } from "../../domain/renewal.ts";
import type { RetentionStore } from "../../domain/retention.ts";
import { DAY_MS } from "../../domain/time.ts";
import { AcceptedEvents, readAccepted } from "../acceptedFaults.ts";
import { extendPruned } from "../historySeal.ts";
import { isIntact } from "../rowSeal.ts";
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
    stuckAt: (before) => stuckAt(db, before),
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
  const end = oldest.findIndex(({ at }) => at >= before);
  const rows = end < 0 ? oldest : oldest.slice(0, end);
  if (rows.length === 0) return 0;
  const accepted = new AcceptedEvents(await readAccepted(trx, writer.vault));
  const prunedTo = await extendPruned(trx, writer.vault, { rows, accepted }, now);
  if (prunedTo === null) return 0;
  const { numDeletedRows } = await trx.deleteFrom("events").where("seq", "<=", prunedTo).executeTakeFirst();
  return Number(numDeletedRows);
}

/** The last event stays at any age. */
async function stuckAt(db: Db, before: number): Promise<number | null> {
  const [oldest, next] = await db.selectFrom("events").select(["seq", "at"]).orderBy("seq").limit(2).execute();
  return oldest === undefined || next === undefined || oldest.at >= before ? null : oldest.seq;
}

/** Rows go after the events about them: a row that is gone while its events are there counts as deleted by somebody. */
async function cutoff(trx: Db, before: number): Promise<number> {
  const oldest = await trx.selectFrom("events").select("at").orderBy("seq").limit(1).executeTakeFirst();
  return Math.min(before, (oldest?.at ?? 0) - MARGIN_MS);
}

async function pruneRenewals(trx: Db, { vault }: EventWriter, before: number, limit: number): Promise<number> {
  const rows = await trx
    .selectFrom("renewals")
    .selectAll()
    .where("createdAt", "<", await cutoff(trx, before))
    .where("state", "not in", ACTIVE_STATES)
    .orderBy("createdAt")
    .orderBy("id")
    .limit(limit)
    .execute();
  const ids = rows.filter((row) => isIntact(vault, "renewals", row)).map(({ id }) => id);
  if (ids.length > 0) await trx.deleteFrom("renewals").where("id", "in", ids).execute();
  return ids.length;
}

async function pruneVersions(trx: Db, { vault }: EventWriter, before: number, limit: number): Promise<number> {
  const rows = await trx
    .selectFrom("versions")
    .selectAll()
    .where("createdAt", "<", await cutoff(trx, before))
    .where("sealedKey", "=", ERASED)
    .where(isSuperseded)
    .orderBy("createdAt")
    .limit(limit)
    .execute();
  const pruned = rows.filter((row) => isIntact(vault, "versions", row));
  for (const { certificate, generation } of pruned) {
    const one = trx.deleteFrom("versions").where("certificate", "=", certificate);
    await one.where("generation", "=", generation).execute();
  }
  return pruned.length;
}
