import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** What connections to each address have shown so far, so that evidence adds up over looks. */
export function evidence(): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema.alterTable("observations").addColumn("evidence", "text").execute();
    },
  };
}
