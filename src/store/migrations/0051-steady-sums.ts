import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

/**
 * What a part of a large fleet comes to stands beside the list of its members, which is read only where one of them is
 * in question. Parts of before are read again by the planner.
 */
export function steadySums(): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await sql`delete from steady_parts`.execute(db);
      await db.schema
        .alterTable("steady_parts")
        .addColumn("members", "text", (column) => column.notNull().defaultTo(""))
        .execute();
    },
  };
}
