import { RenewalError } from "../domain/errors.ts";
import { Secret } from "../domain/secret.ts";
import type { Db } from "./schema.ts";
import { recordIdentity, type Vault } from "./vault.ts";

const CHECK = "masterKeyCheck";

/** The first start leaves a sealed word. A process that cannot open it is refused now, not at its first renewal. */
export async function checkMasterKey(db: Db, vault: Vault): Promise<void> {
  const identity = recordIdentity("meta", CHECK);
  const sealed =
    (await readMeta(db, CHECK)) ?? (await writeMeta(db, CHECK, vault.seal(identity, new Secret("renewd"))));
  if (vault.open(identity, sealed).reveal() !== "renewd")
    throw new RenewalError("store.sealed", "the database's master key check holds an unknown word");
}

/** As `checkMasterKey`, without leaving anything. */
export async function checkMasterKeyFits(db: Db, vault: Vault): Promise<void> {
  const sealed = await readMeta(db, CHECK);
  if (sealed !== null) vault.open(recordIdentity("meta", CHECK), sealed);
}

/** Whether anything was ever sealed there. */
export async function hasMasterKeyCheck(db: Db): Promise<boolean> {
  return (await readMeta(db, CHECK)) !== null;
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
