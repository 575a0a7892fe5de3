import type { Selectable } from "kysely";
import { RenewalError } from "../../domain/errors.ts";
import type { VersionStore } from "../../domain/store.ts";
import type { Version } from "../../domain/version.ts";
import type { Db, Schema } from "../schema.ts";
import { recordIdentity, type Vault } from "../vault.ts";
import { chainJson, leafJson, namesJson, readJson } from "./json.ts";

/** All columns but the sealed key, which is read only to be opened. */
const COLUMNS = [
  "certificate",
  "generation",
  "issuer",
  "leaf",
  "leafPem",
  "chainPem",
  "keyType",
  "createdAt",
  "verifiedAt",
  "revokedAt",
  "droppedNames",
] as const;

export function versionStore(db: Db, vault: Vault): VersionStore {
  return {
    async latest(certificate) {
      const row = await select(db)
        .where("certificate", "=", certificate)
        .orderBy("generation", "desc")
        .limit(1)
        .executeTakeFirst();
      return row === undefined ? null : toVersion(row);
    },
    async get(certificate, generation) {
      const row = await select(db)
        .where("certificate", "=", certificate)
        .where("generation", "=", generation)
        .executeTakeFirst();
      return row === undefined ? null : toVersion(row);
    },
    async before(certificate, generation) {
      const older = select(db).where("certificate", "=", certificate).where("generation", "<", generation);
      const row = await older.orderBy("generation", "desc").limit(1).executeTakeFirst();
      return row === undefined ? null : toVersion(row);
    },
    /** Oldest generation first. */
    async list(certificate) {
      return (await select(db).where("certificate", "=", certificate).orderBy("generation").execute()).map(toVersion);
    },
    async listLatest() {
      const rows = await select(db)
        .where((row) =>
          row("generation", "=", (inner) =>
            inner
              .selectFrom("versions as other")
              .select((other) => other.fn.max("other.generation").as("generation"))
              .whereRef("other.certificate", "=", "versions.certificate"),
          ),
        )
        .orderBy("certificate")
        .execute();
      return rows.map(toVersion);
    },
    async insert(version, privateKey) {
      const { certificate, generation, issuer, leafPem, keyType, createdAt, verifiedAt, revokedAt } = version;
      const leaf = JSON.stringify(version.leaf);
      const chainPem = JSON.stringify(version.chainPem);
      const droppedNames = version.droppedNames.length === 0 ? null : JSON.stringify(version.droppedNames);
      const sealedKey = vault.seal(keyIdentity(certificate, generation), privateKey);
      await db
        .insertInto("versions")
        .values({
          certificate,
          generation,
          issuer,
          leaf,
          leafPem,
          chainPem,
          keyType,
          createdAt,
          verifiedAt,
          revokedAt,
          droppedNames,
          sealedKey,
        })
        .execute();
    },
    async privateKey(certificate, generation) {
      const row = await db
        .selectFrom("versions")
        .select("sealedKey")
        .where("certificate", "=", certificate)
        .where("generation", "=", generation)
        .executeTakeFirst();
      if (row === undefined)
        throw new RenewalError("internal.bug", `there is no generation ${generation} of certificate ${certificate}`);
      return vault.open(keyIdentity(certificate, generation), row.sealedKey);
    },
    async bySerial(serial) {
      // Asked at every observation of a certificate that renewd did not issue; the serial is inside the leaf's JSON.
      const row = await select(db)
        .where("leaf", "like", `%"serial":"${serial}"%`)
        .orderBy("createdAt", "desc")
        .limit(1)
        .executeTakeFirst();
      return row === undefined ? null : toVersion(row);
    },
    async markRevoked(certificate, generation, at) {
      await db
        .updateTable("versions")
        .set({ revokedAt: at })
        .where("certificate", "=", certificate)
        .where("generation", "=", generation)
        .where("revokedAt", "is", null)
        .execute();
    },
    /** The first proof stays: history measures from it. */
    async markVerified(certificate, generation, at) {
      await db
        .updateTable("versions")
        .set({ verifiedAt: at })
        .where("certificate", "=", certificate)
        .where("generation", "=", generation)
        .where("verifiedAt", "is", null)
        .execute();
    },
  };
}

function select(db: Db) {
  return db.selectFrom("versions").select(COLUMNS);
}

function keyIdentity(certificate: string, generation: number): string {
  return recordIdentity("version", certificate, generation, "key");
}

function toVersion(row: Omit<Selectable<Schema["versions"]>, "sealedKey">): Version {
  const where = `version ${row.generation} of ${row.certificate}`;
  return {
    ...row,
    leaf: readJson(leafJson, row.leaf, where),
    chainPem: readJson(chainJson, row.chainPem, where),
    droppedNames: readJson(namesJson, row.droppedNames ?? "[]", where),
  };
}
