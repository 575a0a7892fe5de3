import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

/** Sign-in links, browsers that are signed in, and answers to requests that are repeated. */
export function webAccess(dialect: Dialect): Migration {
  // As in 0001.
  const name = dialect === "sqlite" ? "text" : sql`text collate "C"`;
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("web_grants")
        .addColumn("digest", name, (column) => column.primaryKey())
        .addColumn("kind", "text", (column) => column.notNull())
        .addColumn("actor", "text", (column) => column.notNull())
        .addColumn("created_at", "bigint", (column) => column.notNull())
        .addColumn("expires_at", "bigint", (column) => column.notNull())
        .addColumn("seal", "text")
        .execute();
      await db.schema
        .createTable("web_answers")
        .addColumn("key", name, (column) => column.primaryKey())
        .addColumn("request", "text", (column) => column.notNull())
        .addColumn("status", "integer")
        .addColumn("body", "text")
        .addColumn("at", "bigint", (column) => column.notNull())
        .execute();
    },
  };
}
