import { type ColumnDefinitionBuilder, type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

type Column = (column: ColumnDefinitionBuilder) => ColumnDefinitionBuilder;
const required: Column = (column) => column.notNull();

/** Use of the CAs' limits, fallback issuers, revocations, and replacements of many certificates at once. */
export function budgetsAndCampaigns(dialect: Dialect): Migration {
  const name = dialect === "sqlite" ? "text" : sql`text collate "C"`;
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("ledger")
        .addColumn("scope", name, required)
        .addColumn("kind", name, required)
        .addColumn("key", name, required)
        .addColumn("full_at", "bigint", required)
        .addPrimaryKeyConstraint("ledger_pk", ["scope", "kind", "key"])
        .execute();
      await db.schema.createIndex("ledger_by_time").on("ledger").column("full_at").execute();
      await db.schema
        .createTable("reservations")
        .addColumn("renewal_id", name, required)
        .addColumn("scope", name, required)
        .addColumn("kind", name, required)
        .addColumn("key", name, required)
        .addColumn("token_ms", "bigint", required)
        .addPrimaryKeyConstraint("reservations_pk", ["renewal_id", "scope", "kind", "key"])
        .execute();
      await db.schema.alterTable("renewals").addColumn("issuer", "text").execute();
      await db.schema.alterTable("versions").addColumn("revoked_at", "bigint").execute();
      await db.schema.alterTable("versions").addColumn("dropped_names", "text").execute();
      await db.schema
        .createTable("campaigns")
        .addColumn("id", name, (column) => column.primaryKey().notNull())
        .addColumn("selection", "text", required)
        .addColumn("issuer", "text")
        .addColumn("deadline", "bigint", required)
        .addColumn("created_at", "bigint", required)
        .addColumn("ended_at", "bigint")
        .execute();
      await db.schema
        .createTable("campaign_members")
        .addColumn("campaign", name, required)
        .addColumn("certificate", name, required)
        .addColumn("generation", "bigint", required)
        .addPrimaryKeyConstraint("campaign_members_pk", ["campaign", "certificate"])
        .execute();
      await db.schema
        .createIndex("campaign_members_by_certificate")
        .on("campaign_members")
        .column("certificate")
        .execute();
    },
  };
}
