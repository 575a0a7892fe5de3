import type { ExpressionBuilder } from "kysely";
import { type Certificate, type CertificateRecord, QUARANTINED } from "../../domain/certificate.ts";
import type { ErrorCode } from "../../domain/errorTable.ts";
import type { CertificateStore } from "../../domain/store.ts";
import { changeSealed, isIntact, SEALED, sealStored, withSeal } from "../rowSeal.ts";
import { atomically, type Db, type Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { claim, claimRehearsal } from "./claims.ts";
import { lookFromAll } from "./vantages.ts";

/** New or changed: due now, earlier failures no longer count. */
const resetState = (now: number) =>
  ({
    ...{ nextCheckAt: now, failures: 0, nextAttemptAt: null, lastErrorCode: null, lastErrorMessage: null },
    ...{ removedAt: null },
    ...{ nextRehearsalAt: null, rehearsalProblem: null, planFailures: 0, planErrorCode: null, planErrorMessage: null },
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

const PAUSE = SEALED.certificates.columns;

interface Writer {
  readonly trx: Db;
  readonly vault: Vault;
}

/** A pause that nobody with the master key asked for keeps nothing from being renewed. */
function toRecord(vault: Vault, row: Schema["certificates"]): CertificateRecord {
  const { seal: _, ...record } = row;
  if (row.pausedAt === null || isIntact(vault, "certificates", row)) return record;
  return { ...record, pausedAt: null, pausedUntil: null, pausedReason: null };
}

function all(vault: Vault, rows: readonly Schema["certificates"][]): CertificateRecord[] {
  return rows.map((row) => toRecord(vault, row));
}

/** SQLite takes 32,766 parameters in one statement. */
const INSERT_ROWS_MAX = 1_000;

export function certificateStore(db: Db, vault: Vault): Omit<CertificateStore, "lock" | "bringForward"> {
  return {
    sync: (certificates, now) => atomically(db, (trx) => sync({ trx, vault }, certificates, now)),
    addMissing: (certificates, now) =>
      atomically(db, async (trx) => {
        const known = new Set((await trx.selectFrom("certificates").select("name").execute()).map(({ name }) => name));
        const missing = certificates.filter(({ name }) => !known.has(name));
        if (missing.length === 0) return [];
        const digests = new Map(missing.map(({ name, digest }) => [name, digest]));
        return insert({ trx, vault }, [...digests.keys()].sort(), digests, now);
      }),
    async get(name) {
      const row = await db.selectFrom("certificates").selectAll().where("name", "=", name).executeTakeFirst();
      return row === undefined ? null : toRecord(vault, row);
    },
    async list(names) {
      const query = db.selectFrom("certificates").selectAll().orderBy("name");
      return all(vault, await (names === undefined ? query : query.where("name", "in", names)).execute());
    },
    async removed(limit) {
      const left = db.selectFrom("certificates").selectAll().where("removedAt", "is not", null);
      return all(vault, await left.orderBy("removedAt", "desc").orderBy("name").limit(limit).execute());
    },
    due: async (now, limit) => all(vault, await dueCertificates(db, now, limit).execute()),
    async update(name, patch) {
      if (Object.values(patch).every((value) => value === undefined)) return;
      const write = async (to: Db): Promise<void> => {
        await to.updateTable("certificates").set(patch).where("name", "=", name).execute();
        if (patch.nextObservationAt !== undefined) await lookFromAll(to, name, patch.nextObservationAt ?? 0);
      };
      if (PAUSE.every((column) => patch[column] === undefined)) return write(db);
      // A pause is written whole, whatever was there before.
      if (PAUSE.some((column) => patch[column] === undefined))
        return changeSealed(db, vault, { table: "certificates", key: { name } }, write);
      await atomically(db, async (trx) => {
        await write(trx);
        await sealStored(trx, vault, "certificates", { name });
      });
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
    async countSeen(before) {
      const row = await db
        .selectFrom("certificates")
        .select((column) => column.fn.countAll().as("count"))
        .where("removedAt", "is", null)
        .where((column) => column.or([column("nextCheckAt", "is", null), column("nextCheckAt", ">=", before)]))
        .executeTakeFirst();
      return Number(row?.count ?? 0);
    },
    async expiring(now, limit) {
      const nearing = db.selectFrom("certificates").selectAll().where("expiryWarningAt", "<=", now);
      return all(vault, await nearing.orderBy("expiryWarningAt").limit(limit).execute());
    },
    async moveExpiryWarning(name, from, to) {
      const update = db.updateTable("certificates").set({ expiryWarningAt: to }).where("name", "=", name);
      const { numUpdatedRows } = await update
        .where("expiryWarningAt", from === null ? "is" : "=", from)
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    },
    claimObservations: (terms) => claim(db, "nextObservationAt", terms),
    async lastObservationDue() {
      const { at } = await db
        .selectFrom("certificates")
        .select((row) => row.fn.max("nextObservationAt").as("at"))
        .executeTakeFirstOrThrow();
      return at === null ? null : Number(at);
    },
    claimRehearsals: (terms) => claim(db, "nextRehearsalAt", terms),
    claimRehearsal: (name, terms) => claimRehearsal(db, name, terms),
  };
}

/**
 * The most urgent first: revoked, then nothing valid in use, then by the time left of what is in use. Exported so that
 * a test can check its query plan.
 */
export function dueCertificates(db: Db, now: number, limit: number) {
  return db
    .selectFrom("certificates")
    .selectAll()
    .where("nextCheckAt", "<=", now)
    .where("removedAt", "is", null)
    .orderBy((row) => row.case().when(isRevoked(row)).then(0).else(1).end())
    .orderBy((row) => row.fn.coalesce("expiryWarningAt", row.lit(0)))
    .orderBy("nextCheckAt")
    .orderBy("name")
    .limit(limit);
}

/** Clients may refuse its latest version already. */
function isRevoked(row: ExpressionBuilder<Schema, "certificates">) {
  return row.exists(
    row
      .selectFrom("versions")
      .select("versions.generation")
      .whereRef("versions.certificate", "=", "certificates.name")
      .where("versions.revokedAt", "is not", null)
      .where((version) =>
        version("versions.generation", "=", (inner) =>
          inner
            .selectFrom("versions as other")
            .select((other) => other.fn.max("other.generation").as("generation"))
            .whereRef("other.certificate", "=", "certificates.name"),
        ),
      ),
  );
}

/**
 * Several processes may load the same configuration at once. Every write repeats its assumption in WHERE: exactly one
 * process reports each change. Names are locked in order, so they cannot deadlock.
 */
async function sync(
  { trx, vault }: Writer,
  certificates: readonly Certificate[],
  now: number,
): Promise<{ added: string[]; changed: string[]; removed: string[] }> {
  const known = new Map<string, Pick<CertificateRecord, "digest" | "removedAt">>();
  const rows = await trx.selectFrom("certificates").select(["name", "digest", "removedAt"]).execute();
  for (const { name, digest, removedAt } of rows) known.set(name, { digest, removedAt });
  const wanted = new Map(certificates.map(({ name, digest }) => [name, digest]));
  const names = [...new Set([...known.keys(), ...wanted.keys()])].sort();
  const unknown = names.filter((name) => !known.has(name));
  const added: string[] = await insert({ trx, vault }, unknown, wanted, now);
  const changed: string[] = [];
  const removed: string[] = [];
  for (const name of names) {
    const change = difference(known.get(name), wanted.get(name));
    const digest = wanted.get(name) ?? "";
    if (change === "returned" && (await comeBack({ trx, vault }, name, digest, now))) added.push(name);
    if (change === "changed" && (await renew({ trx, vault }, name, digest, now))) changed.push(name);
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
  { trx, vault }: Writer,
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
      .map((name) => ({ name, digest: wanted.get(name) ?? "", ...resetState(now), ...fresh, ...never }))
      .map((row) => withSeal(vault, "certificates", row));
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

function comeBack({ trx, vault }: Writer, name: string, digest: string, now: number): Promise<boolean> {
  return changeSealed(trx, vault, { table: "certificates", key: { name } }, async () => {
    const result = await trx
      .updateTable("certificates")
      .set(changedTo(digest, now))
      .where("name", "=", name)
      .where("removedAt", "is not", null)
      .executeTakeFirst();
    return result.numUpdatedRows === 1n;
  });
}

function renew({ trx, vault }: Writer, name: string, digest: string, now: number): Promise<boolean> {
  return changeSealed(trx, vault, { table: "certificates", key: { name } }, async () => {
    const result = await trx
      .updateTable("certificates")
      .set(changedTo(digest, now))
      .where("name", "=", name)
      .where("removedAt", "is", null)
      .where("digest", "!=", digest)
      .executeTakeFirst();
    return result.numUpdatedRows === 1n;
  });
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
