import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

/** What a planner found when it last read a part of a large fleet, so that `renewd status` reads what has changed since. */
export function steadyParts(dialect: Dialect): Migration {
  // As in 0001.
  const name = dialect === "sqlite" ? "text" : sql`text collate "C"`;
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("steady_parts")
        .addColumn("after", name, (column) => column.primaryKey())
        .addColumn("last", name)
        .addColumn("checked_at", dialect === "sqlite" ? "integer" : "bigint", (column) => column.notNull())
        .addColumn("body", "text", (column) => column.notNull())
        .addColumn("seal", "text")
        .execute();
    },
  };
}
