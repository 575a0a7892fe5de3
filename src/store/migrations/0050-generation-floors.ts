import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

/** Certificates from before a restore: each new one asks for the highest generation among them, in a large fleet too. */
export function generationFloors(): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createIndex("certificates_with_floor")
        .on("certificates")
        .column("generation_floor")
        .where(sql<boolean>`generation_floor > 0`)
        .execute();
    },
  };
}
