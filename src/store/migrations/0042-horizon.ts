import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

/** Ends of tokens, domains, signatures and other things that renewals need. */
export function horizon(dialect: Dialect): Migration {
  // As in 0001.
  const name = dialect === "sqlite" ? "text" : sql`text collate "C"`;
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("horizon")
        .addColumn("subject", name, (column) => column.notNull())
        .addColumn("what", name, (column) => column.notNull())
        .addColumn("body", "text", (column) => column.notNull())
        .addColumn("seal", "text")
        .addPrimaryKeyConstraint("horizon_key", ["subject", "what"])
        .execute();
    },
  };
}
