import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

/** What CAs suggest (RFC 9773). Versions issued before this release are asked about at the first tick. */
export function renewalInfos(dialect: Dialect): Migration {
  const name = dialect === "sqlite" ? "text" : sql`text collate "C"`;
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("renewal_infos")
        .addColumn("certificate", name, (column) => column.primaryKey().notNull())
        .addColumn("generation", "bigint", (column) => column.notNull())
        .addColumn("window_start", "bigint")
        .addColumn("window_end", "bigint")
        .addColumn("renew_at", "bigint")
        .addColumn("explanation_url", "text")
        .addColumn("polled_at", "bigint")
        .addColumn("next_poll_at", "bigint")
        .addColumn("failures", "bigint", (column) => column.notNull().defaultTo(0))
        .addColumn("error_code", "text")
        .addColumn("error_message", "text")
        .execute();
      await db.schema.createIndex("renewal_infos_next_poll_at").on("renewal_infos").column("next_poll_at").execute();
      await sql`insert into renewal_infos (certificate, generation, next_poll_at)
        select certificate, max(generation), 0 from versions group by certificate`.execute(db);
    },
  };
}
