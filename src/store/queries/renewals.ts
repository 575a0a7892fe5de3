import { RenewalError } from "../../domain/errors.ts";
import type { OrderState } from "../../domain/issuer.ts";
import type { Renewal } from "../../domain/renewal.ts";
import { Secret } from "../../domain/secret.ts";
import type { RenewalStore } from "../../domain/store.ts";
import { patchSealed, SEALED, withSeal } from "../rowSeal.ts";
import { atomically, type Db, type Dialect } from "../schema.ts";
import { recordIdentity, type Vault } from "../vault.ts";
import { claim, isTrue, lockRow } from "./claimRenewal.ts";
import { asRenewal, type HeldRenewal, HeldRenewals, ORDER_COLUMNS, type OrderColumn } from "./heldRenewals.ts";
import { deployFacts, planningFacts, renewalFacts } from "./renewalFacts.ts";
import { dueRenewals, IS_ACTIVE, listRenewals, RENEWAL_COLUMNS } from "./renewalLists.ts";

const SEALED_COLUMNS: ReadonlySet<string> = new Set(SEALED.renewals.columns);

/** `held`: the renewals that the transaction of `db` holds. */
export function renewalStore(
  db: Db,
  dialect: Dialect,
  vault: Vault,
  held: HeldRenewals = new HeldRenewals(db, vault),
): RenewalStore {
  /** What is read sees what this transaction has changed. */
  const upToDate = async (): Promise<Db> => {
    await held.flush();
    return db;
  };
  return {
    async insert(renewal) {
      const row = { ...withSeal(vault, "renewals", { ...renewal }), sealedKey: null, orderUrl: null, csr: null };
      // One that ended makes room for the next.
      const result = await (await upToDate())
        .insertInto("renewals")
        .values(row)
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      if (result.numInsertedOrUpdatedRows !== 1n) return false;
      held.keep(row);
      return true;
    },
    async get(id) {
      const query = (await upToDate()).selectFrom("renewals").select(RENEWAL_COLUMNS).where("id", "=", id);
      return (await query.executeTakeFirst()) ?? null;
    },
    async lock(id) {
      const known = held.get(id);
      if (known !== null) return asRenewal(known);
      const row = await lockRow(db, id);
      if (row === undefined) return null;
      const { hasEnd, ...kept } = row;
      held.keep(kept, isTrue(hasEnd));
      return asRenewal(kept);
    },
    async active(certificate) {
      const query = (await upToDate())
        .selectFrom("renewals")
        .select(RENEWAL_COLUMNS)
        .where("certificate", "=", certificate)
        .where(IS_ACTIVE);
      return (await query.executeTakeFirst()) ?? null;
    },
    facts: (renewal) => renewalFacts(db, vault, renewal),
    deployFacts: (renewal) => deployFacts(db, vault, renewal),
    planningFacts: async (certificate) => planningFacts(await upToDate(), { dialect, vault }, certificate),
    list: async (filter) => listRenewals(await upToDate(), filter),
    async lastOf(names) {
      if (names.length === 0) return [];
      return (await upToDate())
        .selectFrom("renewals")
        .select(RENEWAL_COLUMNS)
        .where("certificate", "in", names)
        .where((row) =>
          row("id", "=", (inner) =>
            inner
              .selectFrom("renewals as other")
              .select("other.id")
              .whereRef("other.certificate", "=", "renewals.certificate")
              .orderBy("other.createdAt", "desc")
              .orderBy("other.id", "desc")
              .limit(1),
          ),
        )
        .execute();
    },
    due: async (now, page) => dueRenewals(await upToDate(), now, page).execute(),
    claim: (id, now, leaseMs) =>
      atomically(db, async (trx) => {
        const own = db.isTransaction ? held : new HeldRenewals(trx, vault);
        const row = await claim({ db: trx, dialect, vault, held: own }, id, now, leaseMs);
        if (!db.isTransaction) await own.flush();
        return row && asRenewal(row);
      }),
    async update(id, fence, patch) {
      const changed = held.change(id, fence, patch);
      if (changed !== null) return changed;
      const write = async (to: Db, seal: { readonly seal?: string } = {}): Promise<boolean> => {
        const result = await to
          .updateTable("renewals")
          .set({ ...patch, ...seal, fence })
          .where("id", "=", id)
          .where("fence", "=", fence)
          .executeTakeFirst();
        return result.numUpdatedRows === 1n;
      };
      const sealed = Object.keys(patch).some((column) => SEALED_COLUMNS.has(column));
      return sealed ? patchSealed(db, vault, { table: "renewals", key: { id } }, patch, write) : write(db);
    },
    occupy: (scope, id, now) => atomically(db, async (trx) => occupy(trx, scope, id, now)),
    async orderState(id) {
      const known = held.get(id);
      const row =
        known?.sealedKey !== undefined
          ? known
          : await (await upToDate())
              .selectFrom("renewals")
              .select(ORDER_COLUMNS)
              .where("id", "=", id)
              .executeTakeFirst();
      const sealed = row?.sealedKey ?? null;
      const hasUrl = (row?.orderUrl ?? null) !== null;
      const orderUrl = unseal(vault, orderIdentity(id, "url"), row?.orderUrl ?? null);
      return {
        privateKey: sealed === null ? null : vault.open(renewalKeyIdentity(id), sealed),
        orderUrl,
        // Both belong to one order.
        csr: (orderUrl === null) === hasUrl ? null : unseal(vault, orderIdentity(id, "csr"), row?.csr ?? null),
      };
    },
    async saveOrderState(id, fence, state) {
      const sealed = sealedOrder(vault, id, state);
      const changed = held.change(id, fence, sealed);
      if (changed !== null) return changed;
      const result = await db
        .updateTable("renewals")
        .set({ ...sealed, fence })
        .where("id", "=", id)
        .where("fence", "=", fence)
        .executeTakeFirst();
      return result.numUpdatedRows === 1n;
    },
  };
}

/** A scope is never released: the state of its holder says whether it is still in use. */
async function occupy(trx: Db, scope: string, id: string, now: number): Promise<string | null> {
  const mine = { scope, renewalId: id };
  const taken = await trx
    .insertInto("orderScopes")
    .values(mine)
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  if (taken.numInsertedOrUpdatedRows === 1n) return null;
  const row = await trx
    .selectFrom("orderScopes")
    .leftJoin("renewals", "id", "renewalId")
    .select(["renewalId", "state", "leaseUntil", "retryAt"])
    .where("scope", "=", scope)
    .executeTakeFirst();
  if (row === undefined || row.renewalId === id) return null;
  if (isOrdering(row, now)) return row.renewalId;
  // Compare-and-set: of two that find it free, one gets it.
  const won = await trx
    .updateTable("orderScopes")
    .set({ renewalId: id })
    .where("scope", "=", scope)
    .where("renewalId", "=", row.renewalId)
    .executeTakeFirst();
  return won.numUpdatedRows === 1n ? null : row.renewalId;
}

/** A renewal that waits for its back-off must not block the renewal of the other key type. */
function isOrdering(
  { state, leaseUntil, retryAt }: { readonly [Column in "state" | "leaseUntil" | "retryAt"]: Renewal[Column] | null },
  now: number,
): boolean {
  if (state !== "planned" && state !== "issuing") return false;
  return (leaseUntil ?? 0) > now || (retryAt ?? 0) <= now;
}

/** The columns to write. */
function sealedOrder(
  vault: Vault,
  id: string,
  { privateKey, orderUrl, csr }: Partial<OrderState>,
): Partial<Pick<HeldRenewal, OrderColumn>> {
  const seal = (part: "url" | "csr", value: string | null): string | null =>
    value ? vault.seal(orderIdentity(id, part), new Secret(value)) : null;
  return {
    ...(privateKey !== undefined && { sealedKey: privateKey && vault.seal(renewalKeyIdentity(id), privateKey) }),
    ...(orderUrl !== undefined && { orderUrl: seal("url", orderUrl) }),
    ...(csr !== undefined && { csr: seal("csr", csr) }),
  };
}

/**
 * Null where it does not open: a stored order that somebody else wrote, or an older release, is replaced by a new one.
 */
function unseal(vault: Vault, identity: string, sealed: string | null): string | null {
  if (sealed === null) return null;
  try {
    return vault.open(identity, sealed).reveal();
  } catch (thrown) {
    if (thrown instanceof RenewalError && thrown.code === "store.sealed") return null;
    throw thrown;
  }
}

/** The same for its order. */
export function orderIdentity(id: string, part: "url" | "csr"): string {
  return recordIdentity("renewal", id, "order", part);
}

/** What the vault binds the key of a renewal to. */
export function renewalKeyIdentity(id: string): string {
  return recordIdentity("renewal", id, "key");
}
