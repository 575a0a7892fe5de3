import { AsyncLocalStorage } from "node:async_hooks";
import { Kysely, type Dialect as KyselyDialect, sql } from "kysely";
import { RenewalError } from "../domain/errors.ts";
import type { Secret } from "../domain/secret.ts";
import type { Source, TransactionScope } from "./dialect/driver.ts";
import { camelCaseRows } from "./dialect/names.ts";
import { checkMasterKey, checkMasterKeyFits } from "./masterKeyCheck.ts";
import { checkSchema, hasSchema, migrate, schemaVersion } from "./migrations/index.ts";
import type { Db, Dialect, Schema } from "./schema.ts";
import type { Vault } from "./vault.ts";

export type StoreOptions =
  | { readonly kind: "sqlite"; readonly file: string }
  | {
      readonly kind: "postgresql";
      readonly url: Secret;
      readonly poolMax?: number;
      /** How long a statement may take, apart from migrations. */
      readonly answerTimeoutMs?: number;
    };

/** An open, migrated database whose sealed values fit the vault. */
export interface Database {
  readonly dialect: Dialect;
  /** What people call it; never with a password. */
  readonly where: string;
  readonly db: Db;
  readonly scope: TransactionScope;
  /** The schema version it had before it was opened; now it has this release's. */
  readonly versionBefore: number;
}

export interface Opening {
  /**
   * `migrated`: brought up to date. `created`: made where there is none, and an older one refused. `required`: refused
   * where it is not of this release. Default: migrated.
   */
  readonly schema?: "migrated" | "created" | "required";
}

export async function openDatabase(
  options: StoreOptions,
  vault: Vault,
  { schema = "migrated" }: Opening = {},
): Promise<Database> {
  const scope: TransactionScope = new AsyncLocalStorage();
  const { source, dialect } = await connect(options, scope);
  const db = new Kysely<Schema>({ dialect, plugins: [camelCaseRows] });
  let versionBefore = schemaVersion;
  try {
    if (schema === "migrated" || (schema === "created" && !(await hasSchema(db))))
      versionBefore = await migrate(db, options.kind, vault);
    else await checkSchema(db);
    await checkMasterKey(db, vault);
    if (options.kind === "postgresql" && options.answerTimeoutMs !== undefined)
      source.answerWithin?.(options.answerTimeoutMs);
  } catch (thrown) {
    await db.destroy();
    throw thrown;
  }
  return { dialect: options.kind, where: source.where, db, scope, versionBefore };
}

/**
 * Opens the database to read: creates and changes nothing, also not its schema. `vault` null: without master key.
 * Throws `store.unavailable` when an older release has written it.
 */
export async function openDatabaseToRead(options: StoreOptions, vault: Vault | null): Promise<Database> {
  const database = await openDatabaseOfAnyRelease(options);
  const { db } = database;
  try {
    await checkSchema(db);
    if (vault !== null) await checkMasterKeyFits(db, vault);
  } catch (thrown) {
    await db.destroy();
    throw thrown;
  }
  return database;
}

/** As `openDatabaseToRead`, for what each release finds where it is. */
export async function openDatabaseOfAnyRelease(options: StoreOptions): Promise<Database> {
  const scope: TransactionScope = new AsyncLocalStorage();
  const { source, dialect } = await connectToRead(options, scope);
  const db = new Kysely<Schema>({ dialect, plugins: [camelCaseRows] });
  return { dialect: options.kind, where: source.where, db, scope, versionBefore: schemaVersion };
}

/** Whether renewd has never run with this database of a server. Changes nothing; throws what the server says. */
export async function isUnused(options: StoreOptions): Promise<boolean> {
  const { db } = await openDatabaseOfAnyRelease(options);
  try {
    return !(await hasSchema(db));
  } finally {
    await db.destroy();
  }
}

/**
 * Throws `store.unavailable` when the server does not answer or does not admit this user, `store.forbidden` when the
 * user may not create tables. Changes nothing. A file of SQLite has no server.
 */
export async function checkDatabaseServer(options: StoreOptions): Promise<void> {
  if (options.kind === "sqlite") return;
  const { source, dialect } = await connectToRead(options, new AsyncLocalStorage());
  const db = new Kysely<Schema>({ dialect });
  try {
    const asked = sql<{ schema: string | null; allowed: boolean | null }>`
      select current_schema() as schema, has_schema_privilege(current_schema(), 'create') as allowed`;
    const [found] = (await asked.execute(db)).rows;
    if (found?.allowed !== true)
      throw new RenewalError(
        "store.forbidden",
        `database ${source.where}: this user may not create tables` +
          (found?.schema ? ` in schema ${found.schema}` : ": its search_path names no schema"),
      );
  } finally {
    await db.destroy();
  }
}

async function connectToRead(
  options: StoreOptions,
  scope: TransactionScope,
): Promise<{ readonly source: Source; readonly dialect: KyselyDialect }> {
  if (options.kind === "sqlite") {
    const { readOnlySqliteSource, sqliteDialect } = await import("./dialect/sqlite.ts");
    const source = await readOnlySqliteSource(options.file);
    return { source, dialect: sqliteDialect(source, scope) };
  }
  const { postgresDialect, postgresSource } = await import("./dialect/postgresql.ts");
  const source = postgresSource(options.url, options.poolMax, true);
  return { source, dialect: postgresDialect(source, scope) };
}

/** An empty database in memory: what there is before renewd has run. */
export async function openEmptyDatabase(vault: Vault): Promise<Database> {
  const { memorySqliteSource, sqliteDialect } = await import("./dialect/sqlite.ts");
  const scope: TransactionScope = new AsyncLocalStorage();
  const source = memorySqliteSource();
  const db = new Kysely<Schema>({ dialect: sqliteDialect(source, scope), plugins: [camelCaseRows] });
  const versionBefore = await migrate(db, "sqlite", vault);
  return { dialect: "sqlite", where: source.where, db, scope, versionBefore };
}

/** Each driver is loaded where it is used. */
async function connect(
  options: StoreOptions,
  scope: TransactionScope,
): Promise<{ readonly source: Source; readonly dialect: KyselyDialect }> {
  if (options.kind === "sqlite") {
    const { sqliteDialect, sqliteSource } = await import("./dialect/sqlite.ts");
    const source = await sqliteSource(options.file);
    return { source, dialect: sqliteDialect(source, scope) };
  }
  const { postgresDialect, postgresSource } = await import("./dialect/postgresql.ts");
  const source = postgresSource(options.url, options.poolMax);
  return { source, dialect: postgresDialect(source, scope) };
}
