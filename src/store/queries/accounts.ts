import { RenewalError } from "../../domain/errors.ts";
import type { EventDetail, EventType, NewEvent } from "../../domain/event.ts";
import type { Account, Accounts } from "../../domain/issuer.ts";
import { isIntact, sealStored, withSeal } from "../rowSeal.ts";
import { atomically, type Db } from "../schema.ts";
import { recordIdentity, type Vault } from "../vault.ts";
import { relabel } from "./issuerLabels.ts";

/** What the vault binds an account's key to. */
export function accountKeyIdentity(issuer: string, directory: string): string {
  return recordIdentity("account", issuer, directory);
}

/** The same for the key of a rollover. */
export function pendingKeyIdentity(issuer: string, directory: string): string {
  return recordIdentity("account", issuer, directory, "pending");
}

/** Writes an event in the transaction that makes the change it describes. */
export type AppendWith = (trx: Db, event: NewEvent) => Promise<void>;

/** The port has no `now`: the store reads the clock for its events. */
export function accountStore(db: Db, vault: Vault, append: AppendWith): Accounts {
  const record = (trx: Db, type: EventType, detail: EventDetail): Promise<void> =>
    append(trx, { at: Date.now(), type, certificate: null, renewalId: null, target: null, detail });
  const get = async (from: Db, issuer: string, directory: string): Promise<Account | null> => {
    const row = await from
      .selectFrom("accounts")
      .selectAll()
      .where("issuer", "=", issuer)
      .where("directory", "=", directory)
      .executeTakeFirst();
    if (row === undefined) return null;
    const { contactDigest, sealedKey, sealedPendingKey } = row;
    // The CA says the URL again when asked with the account's key.
    const url = isIntact(vault, "accounts", row) ? row.url : null;
    const pendingKey =
      sealedPendingKey === null ? null : vault.open(pendingKeyIdentity(issuer, directory), sealedPendingKey);
    return { url, privateKey: vault.open(accountKeyIdentity(issuer, directory), sealedKey), pendingKey, contactDigest };
  };
  const update = (to: Db, issuer: string, directory: string) =>
    to.updateTable("accounts").where("issuer", "=", issuer).where("directory", "=", directory);
  return {
    get: (issuer, directory) => get(db, issuer, directory),
    async create(issuer, directory, privateKey) {
      const sealedKey = vault.seal(accountKeyIdentity(issuer, directory), privateKey);
      const row = { issuer, directory, url: null, sealedKey, sealedPendingKey: null, contactDigest: null };
      await atomically(db, async (trx) => {
        const { numInsertedOrUpdatedRows } = await trx
          .insertInto("accounts")
          .values(withSeal(vault, "accounts", row))
          .onConflict((conflict) => conflict.doNothing())
          .executeTakeFirst();
        if (numInsertedOrUpdatedRows === 1n) await record(trx, "account.created", { issuer, directory });
      });
      const account = await get(db, issuer, directory);
      if (account === null)
        throw new RenewalError("internal.bug", `the account of issuer ${issuer} vanished while it was created`);
      return account;
    },
    follow: (issuer, directory, configured) =>
      atomically(db, async (trx) => {
        const rows = await trx.selectFrom("accounts").select("issuer").where("directory", "=", directory).execute();
        const [left, ...more] = rows.filter((row) => !configured.includes(row.issuer));
        if (left === undefined || more.length > 0 || rows.some((row) => row.issuer === issuer)) return null;
        const account = await get(trx, left.issuer, directory);
        if (account === null) return null;
        const { url, contactDigest, privateKey, pendingKey } = account;
        const sealedKey = vault.seal(accountKeyIdentity(issuer, directory), privateKey);
        const sealedPendingKey = pendingKey && vault.seal(pendingKeyIdentity(issuer, directory), pendingKey);
        const row = { issuer, directory, url, sealedKey, sealedPendingKey, contactDigest };
        await trx
          .insertInto("accounts")
          .values(withSeal(vault, "accounts", row))
          .execute();
        await trx.deleteFrom("accounts").where("issuer", "=", left.issuer).where("directory", "=", directory).execute();
        await relabel(trx, vault, { from: left.issuer, to: issuer, directory });
        await record(trx, "account.renamed", { issuer, directory, before: left.issuer });
        return left.issuer;
      }),
    setUrl: (issuer, directory, url) =>
      atomically(db, async (trx) => {
        await update(trx, issuer, directory).set({ url }).execute();
        await sealStored(trx, vault, "accounts", { issuer, directory });
      }),
    async setPendingKey(issuer, directory, key) {
      const sealedPendingKey = vault.seal(pendingKeyIdentity(issuer, directory), key);
      await update(db, issuer, directory).set({ sealedPendingKey }).execute();
    },
    // Sealed again: a value sealed for one record cannot be opened as another's.
    promotePendingKey: (issuer, directory) =>
      atomically(db, async (trx) => {
        const pendingKey = (await get(trx, issuer, directory))?.pendingKey ?? null;
        if (pendingKey === null) return;
        const sealedKey = vault.seal(accountKeyIdentity(issuer, directory), pendingKey);
        await update(trx, issuer, directory).set({ sealedKey, sealedPendingKey: null }).execute();
      }),
    async setContactDigest(issuer, directory, digest) {
      await update(db, issuer, directory).set({ contactDigest: digest }).execute();
    },
    remove: (issuer, directory) =>
      atomically(db, async (trx) => {
        const accounts = trx.deleteFrom("accounts").where("issuer", "=", issuer);
        const { numDeletedRows } = await accounts.where("directory", "=", directory).executeTakeFirst();
        if (numDeletedRows > 0n) await record(trx, "account.removed", { issuer, directory });
      }),
  };
}
