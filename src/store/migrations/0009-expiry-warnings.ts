import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** When to warn that a certificate expires soon and has no replacement. */
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
