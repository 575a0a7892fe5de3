import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** "Campaign" was a second word for a replacement; the tables take the one that people use. */
export function replacementNames(): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema.alterTable("campaigns").renameTo("replacements").execute();
      await db.schema.alterTable("campaign_members").renameTo("replacement_members").execute();
      await db.schema.alterTable("replacement_members").renameColumn("campaign", "replacement").execute();
    },
  };
}
