import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** The wave of a replacement in which each member has its turn. */
export function replacementWaves(): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .alterTable("campaign_members")
        .addColumn("wave", "bigint", (column) => column.notNull().defaultTo(0))
        .execute();
      await db.schema
        .createIndex("campaign_members_by_wave")
        .on("campaign_members")
        .columns(["campaign", "wave"])
        .execute();
    },
  };
}
