import type { ExpressionBuilder } from "kysely";
import { type Certificate, type CertificateRecord, QUARANTINED } from "../../domain/certificate.ts";
import type { ErrorCode } from "../../domain/errorTable.ts";
import type { CertificateStore, DueClaim } from "../../domain/store.ts";
import { atomically, type Db, type Schema } from "../schema.ts";

/** New or changed: due now, earlier failures no longer count. */
const resetState = (now: number) =>
  ({
    ...{
      nextCheckAt: now,
      failures: 0,
      nextAttemptAt: null,
      lastErrorCode: null,
      lastErrorMessage: null,
      removedAt: null,
    },
    ...{ nextRehearsalAt: null, rehearsalProblem: null },
  }) as const;

const CRASH_LOOP: ErrorCode = "internal.crashLoop";

/** For a known certificate: a quarantine ends, as the change may remove its cause. A person's pause stays. */
function changedTo(digest: string, now: number) {
  return (row: ExpressionBuilder<Schema, "certificates">) => {
    const quarantined = row.and([
      row("lastErrorCode", "=", CRASH_LOOP),
      row("pausedReason", "like", `${QUARANTINED}%`),
    ]);
    const kept = <Column extends "pausedAt" | "pausedUntil" | "pausedReason">(column: Column) =>
      row.case().when(quarantined).then(null).else(row.ref(column)).end();
    return {
      digest,
      ...resetState(now),
      pausedAt: kept("pausedAt"),
      pausedUntil: kept("pausedUntil"),
      pausedReason: kept("pausedReason"),
    };
  };
}

/** SQLite takes 32,766 parameters in one statement. */
const INSERT_ROWS_MAX = 1_000;

export function certificateStore(db: Db): CertificateStore {
  return {
    sync: (certificates, now) => atomically(db, (trx) => sync(trx, certificates, now)),
    async get(name) {
      return (await db.selectFrom("certificates").selectAll().where("name", "=", name).executeTakeFirst()) ?? null;
    },
    list: () => db.selectFrom("certificates").selectAll().orderBy("name").execute(),
    due: (now, limit) => dueCertificates(db, now, limit).execute(),
    async update(name, patch) {
      if (Object.values(patch).every((value) => value === undefined)) return;
      await db.updateTable("certificates").set(patch).where("name", "=", name).execute();
    },
    async moveCheck({ name, digest, nextCheckAt: from }, to) {
      const update = db
        .updateTable("certificates")
        .set({ nextCheckAt: to })
        .where("name", "=", name)
        .where("digest", "=", digest);
      const { numUpdatedRows } = await update.where("nextCheckAt", from === null ? "is" : "=", from).executeTakeFirst();
      return numUpdatedRows === 1n;
    },
    expiring: (now, limit) =>
      db
        .selectFrom("certificates")
        .selectAll()
        .where("expiryWarningAt", "<=", now)
        .orderBy("expiryWarningAt")
        .limit(limit)
        .execute(),
    async moveExpiryWarning(name, from, to) {
      const update = db.updateTable("certificates").set({ expiryWarningAt: to }).where("name", "=", name);
      const { numUpdatedRows } = await update
        .where("expiryWarningAt", from === null ? "is" : "=", from)
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    },
    claimObservations: (terms) => claim(db, "nextObservationAt", terms),
    claimRehearsals: (terms) => claim(db, "nextRehearsalAt", terms),
  };
}

async function claim(
  db: Db,
  column: "nextObservationAt" | "nextRehearsalAt",
  { now, nextAt, limit }: DueClaim,
): Promise<string[]> {
  const due = await db
    .selectFrom("certificates")
    .select(["name", `${column} as seen`])
    .where("removedAt", "is", null)
    .where((row) => row.or([row(column, "is", null), row(column, "<=", now)]))
    .orderBy(column)
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

/** Exported so that a test can check its query plan. */
export function dueCertificates(db: Db, now: number, limit: number) {
  return db
    .selectFrom("certificates")
    .selectAll()
    .where("nextCheckAt", "<=", now)
    .where("removedAt", "is", null)
    .orderBy("nextCheckAt")
    .limit(limit);
}

/**
 * Several processes may load the same configuration at once. Every write repeats its assumption in WHERE: exactly one
 * process reports each change. Names are locked in order, so they cannot deadlock.
 */
async function sync(
  trx: Db,
  certificates: readonly Certificate[],
  now: number,
): Promise<{ added: string[]; changed: string[]; removed: string[] }> {
  const known = new Map<string, Pick<CertificateRecord, "digest" | "removedAt">>();
  for (const { name, digest, removedAt } of await trx
    .selectFrom("certificates")
    .select(["name", "digest", "removedAt"])
    .execute()) {
    known.set(name, { digest, removedAt });
  }
  const wanted = new Map(certificates.map(({ name, digest }) => [name, digest]));
  const names = [...new Set([...known.keys(), ...wanted.keys()])].sort();
  const unknown = names.filter((name) => !known.has(name));
  const added: string[] = await insert(trx, unknown, wanted, now);
  const changed: string[] = [];
  const removed: string[] = [];
  for (const name of names) {
    const change = difference(known.get(name), wanted.get(name));
    const digest = wanted.get(name) ?? "";
    if (change === "returned" && (await comeBack(trx, name, digest, now))) added.push(name);
    if (change === "changed" && (await renew(trx, name, digest, now))) changed.push(name);
    if (change === "removed" && (await remove(trx, name, now))) removed.push(name);
  }
  return { added: added.sort(), changed, removed };
}

function difference(
  known: Pick<CertificateRecord, "digest" | "removedAt"> | undefined,
  digest: string | undefined,
): "returned" | "changed" | "removed" | null {
  if (known === undefined) return null;
  if (digest === undefined) return known.removedAt === null ? "removed" : null;
  if (known.removedAt !== null) return "returned";
  return known.digest === digest ? null : "changed";
}

/** Returns the names that were new. */
async function insert(
  trx: Db,
  names: readonly string[],
  wanted: ReadonlyMap<string, string>,
  now: number,
): Promise<string[]> {
  const { floor } = await trx
    .selectFrom("certificates")
    .select((column) => column.fn.max("generationFloor").as("floor"))
    .executeTakeFirstOrThrow();
  // A certificate that the restored backup does not know may have been issued and deployed since the backup.
  const fresh = {
    pausedAt: null,
    pausedUntil: null,
    pausedReason: null,
    restoredAt: null,
    generationFloor: floor ?? 0,
  };
  const never = { nextObservationAt: null, expiryWarningAt: null };
  const inserted: string[] = [];
  for (let from = 0; from < names.length; from += INSERT_ROWS_MAX) {
    const rows = names
      .slice(from, from + INSERT_ROWS_MAX)
      .map((name) => ({ name, digest: wanted.get(name) ?? "", ...resetState(now), ...fresh, ...never }));
    const returned = await trx
      .insertInto("certificates")
      .values(rows)
      .onConflict((conflict) => conflict.doNothing())
      .returning("name")
      .execute();
    inserted.push(...returned.map(({ name }) => name));
  }
  return inserted;
}

async function comeBack(trx: Db, name: string, digest: string, now: number): Promise<boolean> {
  const result = await trx
    .updateTable("certificates")
    .set(changedTo(digest, now))
    .where("name", "=", name)
    .where("removedAt", "is not", null)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

async function renew(trx: Db, name: string, digest: string, now: number): Promise<boolean> {
  const result = await trx
    .updateTable("certificates")
    .set(changedTo(digest, now))
    .where("name", "=", name)
    .where("removedAt", "is", null)
    .where("digest", "!=", digest)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

async function remove(trx: Db, name: string, now: number): Promise<boolean> {
  const result = await trx
    .updateTable("certificates")
    .set({ removedAt: now, nextCheckAt: null })
    .where("name", "=", name)
    .where("removedAt", "is", null)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}
