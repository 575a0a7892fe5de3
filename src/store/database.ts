import { AsyncLocalStorage } from "node:async_hooks";
import { CamelCasePlugin, Kysely } from "kysely";
import { RenewalError } from "../domain/errors.ts";
import { Secret } from "../domain/secret.ts";
import type { TransactionScope } from "./dialect/driver.ts";
import { postgresDialect, postgresSource } from "./dialect/postgresql.ts";
import { sqliteDialect, sqliteSource } from "./dialect/sqlite.ts";
import { migrate } from "./migrations/index.ts";
import type { Db, Dialect, Schema } from "./schema.ts";
import { recordIdentity, type Vault } from "./vault.ts";

export type StoreOptions =
  | { readonly kind: "sqlite"; readonly file: string }
  | { readonly kind: "postgresql"; readonly url: Secret; readonly poolMax?: number };

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
    versionBefore = await migrate(db, options.kind);
    await checkMasterKey(db, vault);
  } catch (thrown) {
    await db.destroy();
    throw thrown;
  }
  return { dialect: options.kind, where: source.where, db, scope, versionBefore };
}

const CHECK = "masterKeyCheck";

/** The first start leaves a sealed word. A process that cannot open it is refused now, not at its first renewal. */
async function checkMasterKey(db: Db, vault: Vault): Promise<void> {
  const identity = recordIdentity("meta", CHECK);
  const sealed =
    (await readMeta(db, CHECK)) ?? (await writeMeta(db, CHECK, vault.seal(identity, new Secret("renewd"))));
  if (vault.open(identity, sealed).reveal() !== "renewd")
    throw new RenewalError("store.sealed", "the database's master key check holds an unknown word");
}

async function readMeta(db: Db, name: string): Promise<string | null> {
  return (await db.selectFrom("meta").select("value").where("name", "=", name).executeTakeFirst())?.value ?? null;
}

/** The first writer wins; returns what is stored. */
async function writeMeta(db: Db, name: string, value: string): Promise<string> {
  await db
    .insertInto("meta")
    .values({ name, value })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return (await readMeta(db, name)) ?? value;
}
