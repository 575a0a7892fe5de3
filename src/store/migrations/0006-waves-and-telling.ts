import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

/** `ACTIVE_STATES` when this migration was written: a held renewal has not ended. */
const ACTIVE = sql<boolean>`state in ('planned', 'issuing', 'deploying', 'verifying', 'held')`;

/** Held renewals, endpoints that are dialled between renewals, and the last event each channel received. */
export function wavesAndTelling(dialect: Dialect): Migration {
  const name = dialect === "sqlite" ? "text" : sql`text collate "C"`;
  return {
    async up(db: Kysely<unknown>) {
      for (const index of ["renewals_one_active", "renewals_due"]) await db.schema.dropIndex(index).execute();
      await db.schema
        .createIndex("renewals_one_active")
        .on("renewals")
        .column("certificate")
        .unique()
        .where(ACTIVE)
        .execute();
      await db.schema.createIndex("renewals_due").on("renewals").column("next_action_at").where(ACTIVE).execute();
      await db.schema.alterTable("certificates").addColumn("next_observation_at", "bigint").execute();
      await db.schema
        .createIndex("certificates_next_observation_at")
        .on("certificates")
        .column("next_observation_at")
        .execute();
      await db.schema
        .createTable("channel_cursors")
        .addColumn("channel", name, (column) => column.primaryKey().notNull())
        .addColumn("seq", "bigint", (column) => column.notNull())
        .addColumn("lease_until", "bigint")
        .addColumn("failures", "bigint", (column) => column.notNull().defaultTo(0))
        .addColumn("next_attempt_at", "bigint")
        .addColumn("last_error_message", "text")
        .execute();
    },
  };
}
