import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

/** Rehearsals by themselves, and when each certificate revocation list was last asked for. */
export function rehearsalsAndCrls(dialect: Dialect): Migration {
  const name = dialect === "sqlite" ? "text" : sql`text collate "C"`;
  return {
    async up(db: Kysely<unknown>) {
      await db.schema.alterTable("certificates").addColumn("next_rehearsal_at", "bigint").execute();
      await db.schema.alterTable("certificates").addColumn("rehearsal_problem", "text").execute();
      await db.schema
        .createIndex("certificates_next_rehearsal_at")
        .on("certificates")
        .column("next_rehearsal_at")
        .execute();
      await db.schema
        .createTable("crls")
        .addColumn("url", name, (column) => column.primaryKey().notNull())
        .addColumn("next_fetch_at", "bigint", (column) => column.notNull())
        .execute();
    },
  };
}
