import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** Why the planner could not decide about a certificate. */
export function planningFailures(): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .alterTable("certificates")
        .addColumn("plan_failures", "bigint", (column) => column.notNull().defaultTo(0))
        .execute();
      await db.schema.alterTable("certificates").addColumn("plan_error_code", "text").execute();
      await db.schema.alterTable("certificates").addColumn("plan_error_message", "text").execute();
    },
  };
}
