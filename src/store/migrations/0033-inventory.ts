import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

/** Certificates that discovery has found, where each was seen, and how the last run of each source went. */
export function inventory(dialect: Dialect): Migration {
  // As in 0001.
  const name = dialect === "sqlite" ? "text" : sql`text collate "C"`;
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("inventory")
        .addColumn("fingerprint", name, (column) => column.primaryKey())
        .addColumn("key", name, (column) => column.notNull())
        .addColumn("serial", name, (column) => column.notNull())
        .addColumn("not_after", "bigint", (column) => column.notNull())
        .addColumn("body", "text", (column) => column.notNull())
        .addColumn("first_seen", "bigint", (column) => column.notNull())
        .addColumn("last_seen", "bigint", (column) => column.notNull())
        .addColumn("ignored", "text")
        .addColumn("announced", "integer", (column) => column.notNull())
        .addColumn("seal", "text")
        .execute();
      await db.schema.createIndex("inventory_key").on("inventory").column("key").execute();
      await db.schema.createIndex("inventory_not_after").on("inventory").column("not_after").execute();
      await db.schema
        .createTable("inventory_places")
        .addColumn("fingerprint", name, (column) => column.notNull())
        .addColumn("source", name, (column) => column.notNull())
        .addColumn("place", name, (column) => column.notNull())
        .addColumn("body", "text", (column) => column.notNull())
        .addColumn("first_seen", "bigint", (column) => column.notNull())
        .addColumn("last_seen", "bigint", (column) => column.notNull())
        .addColumn("seal", "text")
        .addPrimaryKeyConstraint("inventory_places_pk", ["fingerprint", "source", "place"])
        .execute();
      await db.schema.createIndex("inventory_places_last_seen").on("inventory_places").column("last_seen").execute();
      await db.schema
        .createTable("discovery_runs")
        .addColumn("source", name, (column) => column.primaryKey())
        .addColumn("started_at", "bigint", (column) => column.notNull())
        .addColumn("finished_at", "bigint", (column) => column.notNull())
        .addColumn("found", "integer", (column) => column.notNull())
        .addColumn("problems", "text", (column) => column.notNull())
        .addColumn("seal", "text")
        .execute();
    },
  };
}
