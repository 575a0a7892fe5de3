import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

/** Endpoints of certificates that are none of renewd's, and what every address served, by change. */
export function watched(dialect: Dialect): Migration {
  // As in 0001.
  const name = dialect === "sqlite" ? "text" : sql`text collate "C"`;
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("watched_endpoints")
        .addColumn("key", name, (column) => column.primaryKey())
        .addColumn("origin", "text", (column) => column.notNull())
        .addColumn("place", name, (column) => column.notNull())
        .addColumn("definition", "text", (column) => column.notNull())
        .addColumn("look", "text")
        .addColumn("next_look_at", "bigint", (column) => column.notNull())
        .addColumn("seal", "text")
        .execute();
      await db.schema.createIndex("watched_next_look_at").on("watched_endpoints").column("next_look_at").execute();
      await db.schema.createIndex("watched_place").on("watched_endpoints").column("place").execute();
      await servedTables(db, name);
    },
  };
}

async function servedTables(db: Kysely<unknown>, name: "text" | ReturnType<typeof sql>): Promise<void> {
  await db.schema
    .createTable("served_certificates")
    .addColumn("fingerprint", name, (column) => column.primaryKey())
    .addColumn("der", "text", (column) => column.notNull())
    .addColumn("key_digest", "text", (column) => column.notNull())
    .execute();
  await db.schema.createIndex("served_certificates_key").on("served_certificates").column("key_digest").execute();
  await db.schema
    .createTable("served_chains")
    .addColumn("digest", name, (column) => column.notNull())
    .addColumn("position", "integer", (column) => column.notNull())
    .addColumn("fingerprint", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("served_chains_key", ["digest", "position"])
    .execute();
  await db.schema
    .createTable("served_places")
    .addColumn("key", name, (column) => column.primaryKey())
    .addColumn("host", "text", (column) => column.notNull())
    .addColumn("address", "text", (column) => column.notNull())
    .addColumn("port", "integer", (column) => column.notNull())
    .addColumn("sni", "text", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("served_changes")
    .addColumn("place", name, (column) => column.notNull())
    .addColumn("since", "bigint", (column) => column.notNull())
    .addColumn("last_seen_at", "bigint", (column) => column.notNull())
    .addColumn("leaf", "text")
    .addColumn("chain", "text")
    .addColumn("code", "text")
    .addColumn("seal", "text")
    .addPrimaryKeyConstraint("served_changes_key", ["place", "since"])
    .execute();
  await db.schema.createIndex("served_changes_leaf").on("served_changes").column("leaf").execute();
  await db.schema.createIndex("served_changes_last_seen_at").on("served_changes").column("last_seen_at").execute();
}
