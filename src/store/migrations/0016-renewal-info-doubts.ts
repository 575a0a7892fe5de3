import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** What tells a CA that asks for a replacement from one whose windows always lie in the past. */
export function renewalInfoDoubts(): Migration {
  return {
    async up(db: Kysely<unknown>) {
      const table = () => db.schema.alterTable("renewal_infos");
      await table()
        .addColumn("overdue_in_row", "bigint", (column) => column.notNull().defaultTo(0))
        .execute();
      await table().addColumn("ordered_at", "bigint").execute();
    },
  };
}
