import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

/** Targets that left the configuration and still hold a pair. */
export function leftTargets(dialect: Dialect): Migration {
  // As in 0001.
  const name = dialect === "sqlite" ? "text" : sql`text collate "C"`;
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("left_targets")
        .addColumn("certificate", name, (column) => column.notNull())
        .addColumn("target", name, (column) => column.notNull())
        .addColumn("receipt", "text", (column) => column.notNull())
        .addColumn("left_at", "bigint", (column) => column.notNull())
        .addColumn("seal", "text")
        .addPrimaryKeyConstraint("left_targets_pk", ["certificate", "target"])
        .execute();
    },
  };
}
