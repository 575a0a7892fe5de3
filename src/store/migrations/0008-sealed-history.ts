import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** Each event with its seal, and which events there must be: an edited or missing one is found (`renewd audit verify`). */
export function sealedHistory(): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema.alterTable("events").addColumn("seal", "text").execute();
      await db.schema
        .createTable("history_head")
        .addColumn("id", "bigint", (column) => column.primaryKey().notNull())
        .addColumn("first_sealed", "bigint", (column) => column.notNull())
        .addColumn("last", "bigint", (column) => column.notNull())
        .addColumn("seal", "text", (column) => column.notNull())
        .execute();
    },
  };
}
