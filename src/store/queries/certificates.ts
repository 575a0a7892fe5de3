import type { ExpressionBuilder } from "kysely";
import type { CertificateRecord } from "../../domain/certificate.ts";
import type { CertificateStore } from "../../domain/store.ts";
import { changeSealed, isIntact, SEALED, sealStored } from "../rowSeal.ts";
import { atomically, type Db, type Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { claim, claimRehearsal } from "./claims.ts";
import { changes, insert, sync } from "./configuredCertificates.ts";
import { lookFromAll } from "./vantages.ts";

const PAUSE = SEALED.certificates.columns;

/** A pause that nobody with the master key asked for keeps nothing from being renewed. */
function toRecord(vault: Vault, row: Schema["certificates"]): CertificateRecord {
  const { seal: _, ...record } = row;
  if (row.pausedAt === null || isIntact(vault, "certificates", row)) return record;
  return { ...record, pausedAt: null, pausedUntil: null, pausedReason: null };
}

function all(vault: Vault, rows: readonly Schema["certificates"][]): CertificateRecord[] {
  return rows.map((row) => toRecord(vault, row));
}

export function certificateStore(db: Db, vault: Vault): Omit<CertificateStore, "lock" | "bringForward"> {
  return {
    sync: (certificates, now, names) => atomically(db, (trx) => sync({ trx, vault }, certificates, now, names)),
    changes: (certificates) => changes(db, certificates),
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
