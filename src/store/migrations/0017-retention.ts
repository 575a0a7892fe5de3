import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

/** Which events retention removed, a guard that lets only these go, and indexes for what is asked of a long history. */
export function retention(dialect: Dialect): Migration {
  return {
    async up(db: Kysely<unknown>) {
      await db.schema
        .alterTable("history_head")
        .addColumn("pruned_to", "bigint", (column) => column.notNull().defaultTo(0))
        .execute();
      await db.schema.alterTable("history_head").addColumn("pruned_at", "bigint").execute();
      await db.schema.alterTable("history_head").addColumn("pruned_digest", "text").execute();
      await (dialect === "sqlite" ? guardInSqlite(db) : guardInPostgresql(db));
      await db.schema.createIndex("events_by_type").on("events").columns(["type", "seq"]).execute();
      const serial = dialect === "sqlite" ? sql`json_extract(leaf, '$.serial')` : sql`((leaf::jsonb)->>'serial')`;
      await sql`create index versions_by_serial on versions (${serial})`.execute(db);
      await db.schema.createIndex("versions_by_age").on("versions").column("created_at").execute();
      await db.schema
        .createIndex("versions_with_key")
        .on("versions")
        .columns(["certificate", "generation"])
        .where(sql<boolean>`sealed_key <> ''`)
        .execute();
    },
  };
}

async function guardInSqlite(db: Kysely<unknown>): Promise<void> {
  await sql`drop trigger if exists events_no_delete`.execute(db);
  await sql`create trigger events_no_delete before delete on events
    when old.seq > coalesce((select pruned_to from history_head where id = 1), 0)
    begin select raise(abort, 'events are append-only'); end`.execute(db);
}

async function guardInPostgresql(db: Kysely<unknown>): Promise<void> {
  await sql`drop trigger if exists events_append_only on events`.execute(db);
  await sql`create trigger events_append_only before update or truncate on events
    for each statement execute function renewd_refuse_change()`.execute(db);
  await sql`create function renewd_refuse_delete() returns trigger language plpgsql as
    $$ begin
      if old.seq > coalesce((select pruned_to from history_head where id = 1), 0) then
        raise exception 'events are append-only';
      end if;
      return old;
    end $$`.execute(db);
  await sql`create trigger events_no_delete before delete on events
    for each row execute function renewd_refuse_delete()`.execute(db);
}
