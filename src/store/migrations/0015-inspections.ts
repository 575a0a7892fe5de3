import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** When each target is asked what it holds, and what was wrong with it the last time. */
export function inspections(): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema.alterTable("deployments").addColumn("next_inspection_at", "bigint").execute();
      await db.schema.alterTable("deployments").addColumn("inspection_problem", "text").execute();
      await db.schema
        .createIndex("deployments_next_inspection_at")
        .on("deployments")
        .column("next_inspection_at")
        .execute();
    },
  };
}
