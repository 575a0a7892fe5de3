import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** After a restore: live endpoints may be ahead of the database, up to which generation. */
export function restored(): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema.alterTable("certificates").addColumn("restored_at", "bigint").execute();
      await db.schema
        .alterTable("certificates")
        .addColumn("generation_floor", "bigint", (column) => column.notNull().defaultTo(0))
        .execute();
    },
  };
}
