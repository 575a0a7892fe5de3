import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

/** Alerts by cause, which messages about them reached whom, and how far the history has been judged. */
export function alerts(dialect: Dialect): Migration {
  // As in 0001.
  const name = dialect === "sqlite" ? "text" : sql`text collate "C"`;
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("alerts")
        .addColumn("id", name, (column) => column.primaryKey())
        .addColumn("rule", "text", (column) => column.notNull())
        .addColumn("cause", "text", (column) => column.notNull())
        .addColumn("opened_at", "bigint", (column) => column.notNull())
        .addColumn("resolved_at", "bigint")
        .addColumn("body", "text", (column) => column.notNull())
        .addColumn("seal", "text")
        .execute();
      await db.schema.createIndex("alerts_resolved_at").on("alerts").column("resolved_at").execute();
      await db.schema
        .createTable("alert_receipts")
        .addColumn("channel", name, (column) => column.notNull())
        .addColumn("seq", "bigint", (column) => column.notNull())
        .addColumn("alert", "text")
        .addColumn("at", "bigint", (column) => column.notNull())
        .addColumn("outcome", "text", (column) => column.notNull())
        .addColumn("error", "text")
        .addPrimaryKeyConstraint("alert_receipts_key", ["channel", "seq"])
        .execute();
      await db.schema.createIndex("alert_receipts_alert").on("alert_receipts").column("alert").execute();
      await db.schema
        .createTable("alert_states")
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("body", "text", (column) => column.notNull())
        .execute();
    },
  };
}
