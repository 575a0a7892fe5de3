import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

/**
 * Counters that outlive restarts and retention. What the history already holds is counted here; durations begin now.
 */
export function totals(dialect: Dialect): Migration {
  // As in 0001.
  const name = dialect === "sqlite" ? "text" : sql`text collate "C"`;
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("event_totals")
        .addColumn("type", name, (column) => column.primaryKey())
        .addColumn("count", "bigint", (column) => column.notNull())
        .execute();
      await db.schema
        .createTable("stage_totals")
        .addColumn("stage", name, (column) => column.notNull())
        .addColumn("bound_ms", "bigint", (column) => column.notNull())
        .addColumn("count", "bigint", (column) => column.notNull())
        .addColumn("sum_ms", "bigint", (column) => column.notNull())
        .addPrimaryKeyConstraint("stage_totals_key", ["stage", "bound_ms"])
        .execute();
      await db.schema
        .createTable("totals_counted")
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("seq", "bigint", (column) => column.notNull())
        .execute();
      await sql`insert into event_totals (type, count) select type, count(*) from events group by type`.execute(db);
      await sql`insert into totals_counted (id, seq) select 1, coalesce(max(seq), 0) from events`.execute(db);
    },
  };
}
