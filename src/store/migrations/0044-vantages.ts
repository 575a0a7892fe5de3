import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

/** When each vantage next dials the endpoints of a certificate, and which watched endpoints it looks at. */
export function vantages(dialect: Dialect): Migration {
  // As in 0001.
  const name = dialect === "sqlite" ? "text" : sql`text collate "C"`;
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("vantage_looks")
        .addColumn("vantage", name, (column) => column.notNull())
        .addColumn("certificate", name, (column) => column.notNull())
        .addColumn("next_look_at", "bigint", (column) => column.notNull())
        .addPrimaryKeyConstraint("vantage_looks_key", ["vantage", "certificate"])
        .execute();
      await db.schema.alterTable("watched_endpoints").addColumn("vantage", name).execute();
    },
  };
}
