import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

/** When the certificates of each drill were detected, issued, deployed and proved. */
export function drills(dialect: Dialect): Migration {
  // As in 0001.
  const name = dialect === "sqlite" ? "text" : sql`text collate "C"`;
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("drills")
        .addColumn("id", name, (column) => column.primaryKey())
        .addColumn("started_at", "bigint", (column) => column.notNull())
        .addColumn("finished_at", "bigint")
        .addColumn("body", "text", (column) => column.notNull())
        .addColumn("seal", "text")
        .execute();
    },
  };
}
