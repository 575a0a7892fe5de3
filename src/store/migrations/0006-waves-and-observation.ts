import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

/** As `ACTIVE_STATES` was when this migration was written: a held renewal has not ended. */
const ACTIVE = sql<boolean>`state in ('planned', 'issuing', 'deploying', 'verifying', 'held')`;

/** Renewals that are held, and endpoints that are dialled between renewals. */
export function wavesAndObservation(): Migration {
  return {
    async up(db: Kysely<unknown>) {
      for (const index of ["renewals_one_active", "renewals_due"]) await db.schema.dropIndex(index).execute();
      await db.schema.createIndex("renewals_one_active").on("renewals").column("certificate").unique().where(ACTIVE).execute();
      await db.schema.createIndex("renewals_due").on("renewals").column("next_action_at").where(ACTIVE).execute();
      await db.schema.alterTable("certificates").addColumn("next_observation_at", "bigint").execute();
      await db.schema.createIndex("certificates_next_observation_at").on("certificates").column("next_observation_at").execute();
    },
  };
}
