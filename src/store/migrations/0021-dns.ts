import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** What is published in DNS, locks of TXT names, and the rate of each DNS credential. */
export function dns(): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await records(db);
      await db.schema
        .createTable("dns_locks")
        .addColumn("key", "text", (column) => column.primaryKey())
        .addColumn("holder", "text", (column) => column.notNull())
        .addColumn("until", "bigint", (column) => column.notNull())
        .execute();
      await db.schema
        .createTable("dns_rates")
        .addColumn("key", "text", (column) => column.primaryKey())
        .addColumn("next_at", "bigint", (column) => column.notNull())
        .addColumn("silent_until", "bigint", (column) => column.notNull())
        .execute();
    },
  };
}

async function records(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("dns_records")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("solver", "text", (column) => column.notNull())
    .addColumn("identifier", "text", (column) => column.notNull())
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("value", "text", (column) => column.notNull())
    .addColumn("zone_id", "text", (column) => column.notNull())
    .addColumn("zone_name", "text", (column) => column.notNull())
    .addColumn("provider_id", "text")
    .addColumn("certificate", "text")
    .addColumn("renewal_id", "text")
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("published_at", "bigint")
    .addColumn("expires_at", "bigint", (column) => column.notNull())
    .addColumn("attempts", "bigint", (column) => column.notNull())
    .addColumn("next_attempt_at", "bigint")
    .addColumn("error_code", "text")
    .addColumn("error_message", "text")
    .addColumn("seal", "text")
    .execute();
  await db.schema.createIndex("dns_records_by_value").on("dns_records").columns(["solver", "identifier"]).execute();
  await db.schema.createIndex("dns_records_by_name").on("dns_records").column("name").execute();
}
