import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

/** Who orders for a set of names now, and what an account's key rollover and contact change need to survive a crash. */
export function ordersAndAccounts(dialect: Dialect): Migration {
  const name = dialect === "sqlite" ? "text" : sql`text collate "C"`;
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("order_scopes")
        .addColumn("scope", name, (column) => column.primaryKey().notNull())
        .addColumn("renewal_id", "text", (column) => column.notNull())
        .execute();
      await db.schema.alterTable("accounts").addColumn("sealed_pending_key", "text").execute();
      await db.schema.alterTable("accounts").addColumn("contact_digest", "text").execute();
    },
  };
}
