import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** Which CA issued a version: the name of an issuer is only a label. */
export function issuerDirectories(): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema.alterTable("versions").addColumn("directory", "text").execute();
    },
  };
}
