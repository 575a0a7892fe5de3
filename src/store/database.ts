import { AsyncLocalStorage } from "node:async_hooks";
import { CamelCasePlugin, Kysely } from "kysely";
import { RenewalError } from "../domain/errors.ts";
import { Secret } from "../domain/secret.ts";
import type { TransactionScope } from "./driver.ts";
import { migrate } from "./migrations/index.ts";
import { postgresDialect, postgresSource } from "./postgresql.ts";
import type { Db, Dialect, Schema } from "./schema.ts";
import { sqliteDialect, sqliteSource } from "./sqlite.ts";
import { recordIdentity, type Vault } from "./vault.ts";

export type StoreOptions =
  | { readonly kind: "sqlite"; readonly file: string }
  | { readonly kind: "postgresql"; readonly url: Secret; readonly poolMax?: number };

/** An open, migrated database whose sealed values fit the vault. */
export interface Database {
  readonly dialect: Dialect;
  readonly db: Db;
  readonly scope: TransactionScope;
}

export async function openDatabase(options: StoreOptions, vault: Vault): Promise<Database> {
  const scope: TransactionScope = new AsyncLocalStorage();
  const dialect =
    options.kind === "sqlite" ? sqliteDialect(await sqliteSource(options.file), scope) : postgresDialect(postgresSource(options.url, options.poolMax), scope);
  const db = new Kysely<Schema>({ dialect, plugins: [new CamelCasePlugin()] });
  try {
    await migrate(db, options.kind);
    await checkMasterKey(db, vault);
  } catch (thrown) {
    await db.destroy();
    throw thrown;
  }
  return { dialect: options.kind, db, scope };
}

const CHECK = "masterKeyCheck";

/** The first start leaves a sealed word; whoever cannot open it is refused now and not at the first renewal. */
async function checkMasterKey(db: Db, vault: Vault): Promise<void> {
  const identity = recordIdentity("meta", CHECK);
  const sealed = vault.seal(identity, new Secret("renewd"));
  await db
    .insertInto("meta")
    .values({ name: CHECK, value: sealed })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const { value } = await db.selectFrom("meta").select("value").where("name", "=", CHECK).executeTakeFirstOrThrow();
  if (vault.open(identity, value).reveal() !== "renewd") throw new RenewalError("store.sealed", "the database's master key check holds an unknown word");
}
