import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

/** What other renewds said when they were asked last, and how exercises of the alarm went. */
export function peersAndExercises(dialect: Dialect): Migration {
  // As in 0001.
  const name = dialect === "sqlite" ? "text" : sql`text collate "C"`;
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("peers")
        .addColumn("name", name, (column) => column.primaryKey())
        .addColumn("body", "text", (column) => column.notNull())
        .addColumn("seal", "text")
        .execute();
      await db.schema
        .createTable("exercises")
        .addColumn("id", name, (column) => column.primaryKey())
        .addColumn("started_at", "bigint", (column) => column.notNull())
        .addColumn("finished_at", "bigint")
        .addColumn("body", "text", (column) => column.notNull())
        .addColumn("seal", "text")
        .execute();
    },
  };
}
