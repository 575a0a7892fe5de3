import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** What each process last reported, the configuration in force, and what people have acknowledged. */
export function health(): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("heartbeats")
        .addColumn("process", "text", (column) => column.notNull())
        .addColumn("role", "text", (column) => column.notNull())
        .addColumn("host", "text", (column) => column.notNull())
        .addColumn("version", "text", (column) => column.notNull())
        .addColumn("digest", "text", (column) => column.notNull())
        .addColumn("config_file", "text", (column) => column.notNull())
        .addColumn("targets", "text", (column) => column.notNull())
        .addColumn("started_at", "bigint", (column) => column.notNull())
        .addColumn("beat_at", "bigint", (column) => column.notNull())
        .addColumn("useful_at", "bigint")
        .addColumn("stopped_at", "bigint")
        .addColumn("problems", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("heartbeats_key", ["process", "role"])
        .execute();
      await db.schema
        .createTable("applied_configurations")
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("file", "text", (column) => column.notNull())
        .addColumn("digest", "text", (column) => column.notNull())
        .addColumn("body", "text", (column) => column.notNull())
        .execute();
      await db.schema
        .createTable("acknowledgements")
        .addColumn("subject", "text", (column) => column.primaryKey())
        .addColumn("kinds", "text", (column) => column.notNull())
        .addColumn("reason", "text", (column) => column.notNull())
        .addColumn("by", "text")
        .addColumn("at", "bigint", (column) => column.notNull())
        .addColumn("until", "bigint", (column) => column.notNull())
        .execute();
    },
  };
}
