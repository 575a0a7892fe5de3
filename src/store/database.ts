import { AsyncLocalStorage } from "node:async_hooks";
import { CamelCasePlugin, Kysely } from "kysely";
import type { Secret } from "../domain/secret.ts";
import type { TransactionScope } from "./dialect/driver.ts";
import { postgresDialect, postgresSource } from "./dialect/postgresql.ts";
import { sqliteDialect, sqliteSource } from "./dialect/sqlite.ts";
import { checkMasterKey } from "./masterKeyCheck.ts";
import { migrate } from "./migrations/index.ts";
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

export async function openDatabase(options: StoreOptions, vault: Vault): Promise<Database> {
  const scope: TransactionScope = new AsyncLocalStorage();
  const source =
    options.kind === "sqlite" ? await sqliteSource(options.file) : postgresSource(options.url, options.poolMax);
  const dialect = options.kind === "sqlite" ? sqliteDialect(source, scope) : postgresDialect(source, scope);
  const db = new Kysely<Schema>({ dialect, plugins: [new CamelCasePlugin()] });
  let versionBefore: number;
  try {
    versionBefore = await migrate(db, options.kind, vault);
    await checkMasterKey(db, vault);
    if (options.kind === "postgresql" && options.answerTimeoutMs !== undefined)
      source.answerWithin?.(options.answerTimeoutMs);
  } catch (thrown) {
    await db.destroy();
    throw thrown;
  }
  return { dialect: options.kind, where: source.where, db, scope, versionBefore };
}
