import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** A seal on each event, and a record of which events must exist: `renewd audit verify` finds edits and gaps. */
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
