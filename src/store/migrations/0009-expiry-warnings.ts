import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** When people are told that a certificate nears its end and nothing has taken its place. */
export function expiryWarnings(): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema.alterTable("certificates").addColumn("expiry_warning_at", "bigint").execute();
      await db.schema
        .createIndex("certificates_expiry_warning_at")
        .on("certificates")
        .column("expiry_warning_at")
        .execute();
    },
  };
}
