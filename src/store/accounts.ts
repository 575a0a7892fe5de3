import { RenewalError } from "../domain/errors.ts";
import type { Account, Accounts } from "../domain/issuer.ts";
import type { Db } from "./schema.ts";
import { recordIdentity, type Vault } from "./vault.ts";

export function accountStore(db: Db, vault: Vault): Accounts {
  const get = async (issuer: string, directory: string): Promise<Account | null> => {
    const row = await db.selectFrom("accounts").select(["url", "sealedKey"]).where("issuer", "=", issuer).where("directory", "=", directory).executeTakeFirst();
    return row === undefined ? null : { url: row.url, privateKey: vault.open(recordIdentity("account", issuer, directory), row.sealedKey) };
  };
  return {
    get,
    async create(issuer, directory, privateKey) {
      await db
        .insertInto("accounts")
        .values({
          issuer,
          directory,
          url: null,
          sealedPendingKey: null,
          contactDigest: null,
          sealedKey: vault.seal(recordIdentity("account", issuer, directory), privateKey),
        })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      const account = await get(issuer, directory);
      if (account === null) throw new RenewalError("internal.bug", `the account of issuer ${issuer} vanished while it was made`);
      return account;
    },
    async setUrl(issuer, directory, url) {
      await db.updateTable("accounts").set({ url }).where("issuer", "=", issuer).where("directory", "=", directory).execute();
    },
  };
}
