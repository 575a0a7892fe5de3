import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

/**
 * Certificates that are defined in the database instead of a file. A removed one keeps its row without a definition, so
 * that the highest revision also tells of removals.
 */
export function certificateDefinitions(dialect: Dialect): Migration {
  // As in 0001.
  const name = dialect === "sqlite" ? "text" : sql`text collate "C"`;
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("certificate_definitions")
        .addColumn("name", name, (column) => column.primaryKey())
        .addColumn("definition", "text")
        .addColumn("changed_at", "bigint", (column) => column.notNull())
        .addColumn("changed_by", "text")
        .addColumn("revision", "bigint", (column) => column.notNull())
        .addColumn("seal", "text")
        .execute();
      await db.schema
        .createIndex("certificate_definitions_revision")
        .on("certificate_definitions")
        .column("revision")
        .execute();
    },
  };
}
