import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

/** What renewd's own name server answered, of all processes. */
export function nameServerTotals(dialect: Dialect): Migration {
  // As in 0001.
  const name = dialect === "sqlite" ? "text" : sql`text collate "C"`;
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("name_server_totals")
        .addColumn("transport", name, (column) => column.notNull())
        .addColumn("answer", name, (column) => column.notNull())
        .addColumn("count", "bigint", (column) => column.notNull())
        .addColumn("last_at", "bigint", (column) => column.notNull())
        .addPrimaryKeyConstraint("name_server_totals_key", ["transport", "answer"])
        .execute();
    },
  };
}
