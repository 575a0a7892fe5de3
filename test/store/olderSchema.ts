import { AsyncLocalStorage } from "node:async_hooks";
import { DatabaseSync } from "node:sqlite";
import { Kysely } from "kysely";
import { camelCaseRows } from "../../src/store/dialect/names.ts";
import { sqliteDialect, sqliteSource } from "../../src/store/dialect/sqlite.ts";
import { initial } from "../../src/store/migrations/0001-initial.ts";

/**
 * Takes everything from an SQLite database that later migrations than the first have added. `scratch`: an unused path.
 */
export async function backToFirstSchema(file: string, scratch: string): Promise<void> {
  const dialect = sqliteDialect(await sqliteSource(scratch), new AsyncLocalStorage());
  const first = new Kysely<unknown>({ dialect, plugins: [camelCaseRows] });
  await initial("sqlite").up(first);
  await first.destroy();
  using database = new DatabaseSync(file);
  using old = new DatabaseSync(scratch);
  const names = (from: DatabaseSync, sql: string): string[] =>
    from
      .prepare(sql)
      .all()
      .map(({ name }) => String(name));
  const added = (sql: string): string[] => {
    const known = new Set(names(old, sql));
    return names(database, sql).filter((name) => !known.has(name) && !/^kysely_|^sqlite_/.test(name));
  };
  // A trigger that refers to what is dropped would refuse it.
  for (const trigger of names(database, "select name from sqlite_schema where type = 'trigger'"))
    database.exec(`drop trigger ${trigger}`);
  for (const table of added("select name from sqlite_schema where type = 'table'"))
    database.exec(`drop table ${table}`);
  for (const index of added("select name from sqlite_schema where type = 'index'"))
    database.exec(`drop index ${index}`);
  for (const table of names(old, "select name from sqlite_schema where type = 'table' and name not like 'sqlite%'")) {
    for (const column of added(`select name from pragma_table_info('${table}')`))
      database.exec(`alter table ${table} drop column ${column}`);
  }
  for (const { sql } of old.prepare("select sql from sqlite_schema where type = 'trigger'").all())
    database.exec(String(sql));
  database.exec("delete from kysely_migration where name <> '0001-initial'");
}
