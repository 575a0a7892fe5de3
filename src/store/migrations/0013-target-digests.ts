import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** By which definition of its target each deployment was made. */
export function targetDigests(): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema.alterTable("deployments").addColumn("target_digest", "text").execute();
    },
  };
}
