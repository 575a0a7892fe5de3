import { sql } from "kysely";
import { type Migration, Migrator } from "kysely/migration";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import type { Db, Dialect } from "../schema.ts";
import { initial } from "./0001-initial.ts";

/** In order; a released migration never changes. */
const MIGRATIONS: Readonly<Record<string, (dialect: Dialect) => Migration>> = {
  "0001-initial": initial,
};

/** How many migrations this release knows. */
export const schemaVersion = Object.keys(MIGRATIONS).length;

/** Brings the tables to this release's schema. Any number of processes may call it at once. */
export async function migrate(db: Db, dialect: Dialect): Promise<void> {
  // SQLite: the whole run is one immediate transaction. PostgreSQL: Kysely takes an advisory lock around a transaction of its own;
  // it may not be given one, since creating its own tables may fail and be looked at again when two processes start at once.
  const run = (on: Db): Promise<void> => migrateWith(on, dialect);
  await (dialect === "sqlite" ? db.transaction().execute(run) : run(db));
}

async function migrateWith(db: Db, dialect: Dialect): Promise<void> {
  const migrations = Object.fromEntries(Object.entries(MIGRATIONS).map(([name, migration]) => [name, migration(dialect)]));
  const { error } = await new Migrator({ db, provider: { getMigrations: async () => migrations } }).migrateToLatest();
  if (error === undefined) return;
  const unknown = await unknownMigration(db);
  if (unknown === null) throw toRenewalError(error);
  throw new RenewalError("store.unavailable", `the database was written by a newer renewd (it has ${unknown}); upgrade this one`, { cause: error });
}

async function unknownMigration(db: Db): Promise<string | null> {
  try {
    const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(db);
    return rows.find(({ name }) => !Object.hasOwn(MIGRATIONS, name))?.name ?? null;
  } catch {
    // The caller already holds the error that tells what went wrong.
    return null;
  }
}
