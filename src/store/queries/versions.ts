import { type ExpressionBuilder, type Selectable, sql } from "kysely";
import { RenewalError } from "../../domain/errors.ts";
import type { Secret } from "../../domain/secret.ts";
import type { VersionStore } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";
import { readLeaf } from "../../x509/leaf.ts";
import { changeSealed, isIntact, patchSealed, sealOfRow, withSeal } from "../rowSeal.ts";
import type { Db, Dialect, Schema } from "../schema.ts";
import { recordIdentity, type Vault } from "../vault.ts";
import { readEach } from "./eachRow.ts";
import { chainJson, leafJson, namesJson, readJson } from "./json.ts";
import { ERASED } from "./retention.ts";

/** All columns but the sealed key, which is read only to be opened. */
export const VERSION_COLUMNS = [
  "certificate",
  "generation",
  "issuer",
  "directory",
  "leaf",
  "leafPem",
  "chainPem",
  "keyType",
  "createdAt",
  "verifiedAt",
  "revokedAt",
  "droppedNames",
  "seal",
] as const;

export function versionStore(db: Db, dialect: Dialect, vault: Vault): VersionStore {
  /** Only the first instant is kept. */
  const mark = (column: "revokedAt" | "verifiedAt", certificate: string, generation: number, at: number) =>
    patchSealed(
      db,
      vault,
      { table: "versions", key: { certificate, generation } },
      { [column]: at },
      async (trx, seal) => {
        await trx
          .updateTable("versions")
          .set({ [column]: at, ...seal })
          .where("certificate", "=", certificate)
          .where("generation", "=", generation)
          .where(column, "is", null)
          .execute();
      },
    );
  return {
    async latest(certificate) {
      const row = await select(db)
        .where("certificate", "=", certificate)
        .orderBy("generation", "desc")
        .limit(1)
        .executeTakeFirst();
      return row === undefined ? null : toVersion(vault, row);
    },
    async get(certificate, generation) {
      const row = await select(db)
        .where("certificate", "=", certificate)
        .where("generation", "=", generation)
        .executeTakeFirst();
      return row === undefined ? null : toVersion(vault, row);
    },
    async before(certificate, generation) {
      const older = select(db).where("certificate", "=", certificate).where("generation", "<", generation);
      const row = await older.orderBy("generation", "desc").limit(1).executeTakeFirst();
      return row === undefined ? null : toVersion(vault, row);
    },
    /** Oldest generation first. */
    async list(certificate) {
      return readEach(await select(db).where("certificate", "=", certificate).orderBy("generation").execute(), (row) =>
        toVersion(vault, row),
      );
    },
    async listOf(names, generations) {
      if (names.length === 0 || generations.length === 0) return [];
      const rows = await select(db).where("certificate", "in", names).where("generation", "in", generations).execute();
      return readEach(rows, (row) => toVersion(vault, row));
    },
    async listLatest(onUnreadable, names) {
      const asked = names === undefined ? select(db) : select(db).where("certificate", "in", names);
      const rows = await asked.where(isLatest).orderBy("certificate").execute();
      return readEach(
        rows,
        (row) => toVersion(vault, row),
        ({ certificate, generation }, { message }) => onUnreadable?.({ certificate, generation, message }),
      );
    },
    origins: () =>
      db
        .selectFrom("versions")
        .select(["certificate", "generation", "issuer", "directory"])
        .where(isLatest)
        .orderBy("certificate")
        .execute(),
    async insert(version, privateKey) {
      const sealedKey = vault.seal(versionKeyIdentity(version.certificate, version.generation), privateKey);
      await db
        .insertInto("versions")
        .values({ ...withSeal(vault, "versions", columnsOf(version)), sealedKey })
        .execute();
    },
    async privateKey(certificate, generation) {
      const row = await db
        .selectFrom("versions")
        .select("sealedKey")
        .where("certificate", "=", certificate)
        .where("generation", "=", generation)
        .executeTakeFirst();
      return openKey(vault, { certificate, generation, sealedKey: row?.sealedKey ?? null });
    },
    async bySerial(serial) {
      const row = await select(db)
        .where(serialOf(dialect), "=", serial)
        .orderBy("createdAt", "desc")
        .limit(1)
        .executeTakeFirst();
      return row === undefined ? null : toVersion(vault, row);
    },
    setOrigin: (certificate, generation, { issuer, directory }) =>
      changeSealed(db, vault, { table: "versions", key: { certificate, generation } }, async (trx) => {
        await trx
          .updateTable("versions")
          .set({ issuer, directory })
          .where("certificate", "=", certificate)
          .where("generation", "=", generation)
          .execute();
      }),
    markRevoked: (certificate, generation, at) => mark("revokedAt", certificate, generation, at),
    /** The first proof stays: history measures from it. */
    async markVerified(certificate, generation, at, known) {
      if (known !== undefined && known.verifiedAt !== null) return;
      if (known === undefined || !(await markAsKnown({ db, vault }, known, at)))
        await mark("verifiedAt", certificate, generation, at);
    },
  };
}

function isLatest(row: ExpressionBuilder<Schema, "versions">) {
  return row("generation", "=", (inner) =>
    inner
      .selectFrom("versions as other")
      .select((other) => other.fn.max("other.generation").as("generation"))
      .whereRef("other.certificate", "=", "versions.certificate"),
  );
}

function columnsOf(version: Version): Omit<Row, "seal"> {
  const { certificate, generation, issuer, directory, leafPem, keyType, createdAt, verifiedAt, revokedAt } = version;
  const leaf = JSON.stringify(version.leaf);
  const chainPem = JSON.stringify(version.chainPem);
  const droppedNames = version.droppedNames.length === 0 ? null : JSON.stringify(version.droppedNames);
  return {
    ...{ certificate, generation, issuer, directory, leaf, leafPem, chainPem },
    ...{ keyType, createdAt, verifiedAt, revokedAt, droppedNames },
  };
}

/** In one statement: compare-and-set on the seal of what is known. False: the row is not so, nothing was written. */
async function markAsKnown(
  { db, vault }: { readonly db: Db; readonly vault: Vault },
  known: Version,
  verifiedAt: number,
): Promise<boolean> {
  const columns = columnsOf(known);
  const { numUpdatedRows } = await db
    .updateTable("versions")
    .set({ verifiedAt, seal: sealOfRow(vault, "versions", { ...columns, verifiedAt }) })
    .where("certificate", "=", known.certificate)
    .where("generation", "=", known.generation)
    .where("seal", "=", sealOfRow(vault, "versions", columns))
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** As the index `versions_by_serial` has it. */
export function serialOf(dialect: Dialect) {
  return dialect === "sqlite" ? sql<string>`json_extract(leaf, '$.serial')` : sql<string>`((leaf::jsonb)->>'serial')`;
}

function select(db: Db) {
  return db.selectFrom("versions").select(VERSION_COLUMNS);
}

/** What the vault binds the key of a version to. */
export function versionKeyIdentity(certificate: string, generation: number): string {
  return recordIdentity("version", certificate, generation, "key");
}

/** `sealedKey` null: there is no such version. */
export function openKey(
  vault: Vault,
  { certificate, generation, sealedKey }: VersionKey & { readonly sealedKey: string | null },
): Secret {
  if (sealedKey === null)
    throw new RenewalError("internal.bug", `there is no generation ${generation} of certificate ${certificate}`);
  if (sealedKey === ERASED)
    throw new RenewalError(
      "request.invalid",
      `the private key of generation ${generation} of ${certificate} was erased after it expired`,
    );
  return vault.open(versionKeyIdentity(certificate, generation), sealedKey);
}

type VersionKey = Pick<Version, "certificate" | "generation">;
type Row = Omit<Selectable<Schema["versions"]>, "sealedKey">;

/**
 * What the leaf says decides when a certificate is renewed, so it must be what was stored at issuance. A changed leaf
 * is read again from its PEM; any other change is refused.
 */
export function toVersion(vault: Vault, row: Row): Version {
  const unaltered = withStoredLeaf(vault, row);
  if (unaltered !== null) return unaltered;
  throw new RenewalError(
    "store.altered",
    `version ${row.generation} of ${row.certificate} in the database is not as renewd wrote it`,
  );
}

/** Null: the row was altered, and not only its leaf. */
function withStoredLeaf(vault: Vault, row: Row): Version | null {
  if (isIntact(vault, "versions", row)) return parse(row);
  const leaf = leafOfPem(row.leafPem);
  const repaired = { ...row, leaf: leaf ?? row.leaf };
  return leaf !== null && isIntact(vault, "versions", repaired) ? parse(repaired) : null;
}

function leafOfPem(pem: string): string | null {
  try {
    return JSON.stringify(readLeaf(pem));
  } catch {
    return null;
  }
}

function parse({ seal: _, ...row }: Row): Version {
  const where = `version ${row.generation} of ${row.certificate}`;
  return {
    ...row,
    leaf: readJson(leafJson, row.leaf, where),
    chainPem: chainOf(row.chainPem, where),
    droppedNames: readJson(namesJson, row.droppedNames ?? "[]", where),
  };
}

const CHAINS_MAX = 100;
const CHAINS = new Map<string, readonly string[]>();

/** Very many certificates have the chain of few CAs, which is most of a row: they share it in memory. */
function chainOf(text: string, where: string): readonly string[] {
  const chain = CHAINS.get(text) ?? readJson(chainJson, text, where);
  if (CHAINS.size >= CHAINS_MAX) CHAINS.clear();
  CHAINS.set(text, chain);
  return chain;
}
