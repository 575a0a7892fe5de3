import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

/**
 * The certificates of the applied configuration, one row each, so that a list reads a page of them and a reload writes
 * what changed. What an earlier release recorded is recorded again when the planner starts.
 */
export function appliedCertificates(dialect: Dialect): Migration {
  // As in 0001.
  const name = dialect === "sqlite" ? "text" : sql`text collate "C"`;
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("applied_certificates")
        .addColumn("name", name, (column) => column.primaryKey())
        .addColumn("digest", "text", (column) => column.notNull())
        .addColumn("body", "text", (column) => column.notNull())
        .addColumn("seal", "text")
        .execute();
      await sql`delete from applied_configurations`.execute(db);
      await db.schema.alterTable("applied_configurations").addColumn("seal", "text").execute();
    },
  };
}
