import { RenewalError } from "../../domain/errors.ts";
import type { ErrorCode } from "../../domain/errorTable.ts";
import type { OrderState } from "../../domain/issuer.ts";
import { isClaimable } from "../../domain/lease.ts";
import { Secret } from "../../domain/secret.ts";
import type { RenewalStore } from "../../domain/store.ts";
import { isIntact, patchedSeal, patchSealed, SEALED, withSeal } from "../rowSeal.ts";
import { atomically, type Db, type Dialect, isPostgresql } from "../schema.ts";
import { recordIdentity, type Vault } from "../vault.ts";
import { type EventWriter, eventStore } from "./events.ts";
import { type HeldRenewal, HeldRenewals, withoutSeal } from "./heldRenewals.ts";
import { renewalFacts } from "./renewalFacts.ts";
import { dueRenewals, IS_ACTIVE, listRenewals, RENEWAL_COLUMNS } from "./renewalLists.ts";

const SEALED_COLUMNS: ReadonlySet<string> = new Set(SEALED.renewals.columns);

export function renewalStore(db: Db, dialect: Dialect, vault: Vault): RenewalStore {
  const byId = (id: string) => db.selectFrom("renewals").select(RENEWAL_COLUMNS).where("id", "=", id);
  const held = new HeldRenewals(db);
  return {
    async insert(renewal) {
      const row = withSeal(vault, "renewals", { ...renewal });
      const result = await db
        .insertInto("renewals")
        .values({ ...row, sealedKey: null, orderUrl: null, csr: null })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      if (result.numInsertedOrUpdatedRows !== 1n) return false;
      held.keep(row);
      return true;
    },
    async get(id) {
      return (await byId(id).executeTakeFirst()) ?? null;
    },
    async lock(id) {
      const known = held.get(id);
      if (known !== null) return withoutSeal(known);
      const row = await lockRow(db, id);
      if (row === undefined) return null;
      held.keep(row);
      return withoutSeal(row);
    },
    async active(certificate) {
      const query = db
        .selectFrom("renewals")
        .select(RENEWAL_COLUMNS)
        .where("certificate", "=", certificate)
        .where(IS_ACTIVE);
      return (await query.executeTakeFirst()) ?? null;
    },
    facts: ({ certificate, generation }) => renewalFacts(db, vault, certificate, generation),
    list: (filter) => listRenewals(db, filter),
    async lastOf(names) {
      if (names.length === 0) return [];
      return db
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
    due: (now, page) => dueRenewals(db, now, page).execute(),
    async claim(id, now, leaseMs) {
      const row = await claim({ db, dialect, vault }, id, now, leaseMs);
      if (row === null) held.forget(id);
      else held.keep(row);
      return row && withoutSeal(row);
    },
    update(id, fence, patch) {
      const known = held.get(id);
      const write = async (to: Db, seal: { readonly seal?: string } = {}): Promise<boolean> => {
        const result = await to
          .updateTable("renewals")
          .set({ ...patch, ...seal, fence })
          .where("id", "=", id)
          .where("fence", "=", fence)
          .executeTakeFirst();
        if (result.numUpdatedRows !== 1n) return false;
        held.change(id, { ...patch, ...seal });
        return true;
      };
      const sealed = Object.keys(patch).some((column) => SEALED_COLUMNS.has(column));
      if (!sealed) return write(db);
      if (known !== null) return write(db, patchedSeal(vault, "renewals", known, patch));
      return patchSealed(db, vault, { table: "renewals", key: { id } }, patch, write);
    },
    occupy: (scope, id, now) => atomically(db, (trx) => occupy(trx, scope, id, now)),
    async orderState(id) {
      const row = await db
        .selectFrom("renewals")
        .select(["sealedKey", "orderUrl", "csr"])
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
    saveOrderState: (id, fence, state) => saveOrderState(db, vault, id, fence, state),
  };
}

/**
 * Its certificate's row first, as everywhere. An SQLite transaction is the only writer from its start.
 */
async function lockRow(db: Db, id: string): Promise<HeldRenewal | undefined> {
  const rows = db.selectFrom("renewals").where("id", "=", id);
  if (!isPostgresql(db)) return rows.select([...RENEWAL_COLUMNS, "seal"]).executeTakeFirst();
  await db
    .selectFrom("certificates")
    .select("name")
    .where("name", "=", rows.select("certificate"))
    .forNoKeyUpdate()
    .execute();
  return rows
    .select([...RENEWAL_COLUMNS, "seal"])
    .forUpdate()
    .executeTakeFirst();
}

/** Compare-and-set: one claimant gets the row. The sweep returns when the lease ends, as the claimant may die. */
async function claim(
  { db, dialect, vault }: { readonly db: Db; readonly dialect: Dialect; readonly vault: Vault },
  id: string,
  now: number,
  leaseMs: number,
): Promise<HeldRenewal | null> {
  const leaseUntil = now + leaseMs;
  const seen = await db.selectFrom("renewals").selectAll().where("id", "=", id).where(IS_ACTIVE).executeTakeFirst();
  if (seen === undefined || !isClaimable(seen, id, now, leaseMs)) return null;
  // A row of before, put back after its end, has the seal that it had then: what it asked for was done.
  if (!isIntact(vault, "renewals", seen) || (await hasEnded(db, { dialect, vault }, id))) {
    await cancelAltered(db, seen, now);
    return null;
  }
  const row = await db
    .updateTable("renewals")
    .set((current) => ({
      fence: current("fence", "+", 1),
      openClaims: current("openClaims", "+", 1),
      leaseUntil,
      nextActionAt: leaseUntil,
    }))
    .where("id", "=", id)
    .where(IS_ACTIVE)
    .where("fence", "=", seen.fence)
    .where("leaseUntil", seen.leaseUntil === null ? "is" : "=", seen.leaseUntil)
    .returning([...RENEWAL_COLUMNS, "seal"])
    .executeTakeFirst();
  return row ?? null;
}

const ENDS = ["renewal.succeeded", "renewal.failed", "renewal.cancelled", "renewal.rolledBack"] as const;

/** As the history says. A renewal that has ended never goes on. */
async function hasEnded(db: Db, writer: Omit<EventWriter, "worker">, id: string): Promise<boolean> {
  const { list } = eventStore(db, { ...writer, worker: "" });
  return (await list({ renewalId: id, types: ENDS, limit: 1, sealed: true })).length > 0;
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
  const row = await trx.selectFrom("orderScopes").select("renewalId").where("scope", "=", scope).executeTakeFirst();
  if (row === undefined || row.renewalId === id) return null;
  if (await isOrdering(trx, row.renewalId, now)) return row.renewalId;
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
async function isOrdering(trx: Db, id: string, now: number): Promise<boolean> {
  const holder = await trx
    .selectFrom("renewals")
    .select(["state", "leaseUntil", "retryAt"])
    .where("id", "=", id)
    .executeTakeFirst();
  if (holder === undefined || (holder.state !== "planned" && holder.state !== "issuing")) return false;
  return (holder.leaseUntil ?? 0) > now || (holder.retryAt ?? 0) <= now;
}

async function saveOrderState(
  db: Db,
  vault: Vault,
  id: string,
  fence: number,
  state: Partial<OrderState>,
): Promise<boolean> {
  const { privateKey, orderUrl, csr } = state;
  const result = await db
    .updateTable("renewals")
    .set({ fence })
    .$if(privateKey !== undefined, (query) =>
      query.set({ sealedKey: privateKey ? vault.seal(renewalKeyIdentity(id), privateKey) : null }),
    )
    .$if(orderUrl !== undefined, (query) =>
      query.set({ orderUrl: orderUrl ? vault.seal(orderIdentity(id, "url"), new Secret(orderUrl)) : null }),
    )
    .$if(csr !== undefined, (query) =>
      query.set({ csr: csr ? vault.seal(orderIdentity(id, "csr"), new Secret(csr)) : null }),
    )
    .where("id", "=", id)
    .where("fence", "=", fence)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/**
 * Nobody with the master key planned this. It ends without a seal, so that the planner decides again and audits name
 * it.
 */
function cancelAltered(db: Db, { id, certificate }: { id: string; certificate: string }, now: number): Promise<void> {
  return atomically(db, async (trx) => {
    await trx.updateTable("certificates").set({ nextCheckAt: now }).where("name", "=", certificate).execute();
    await trx
      .updateTable("renewals")
      .set((row) => ({
        ...{ state: "cancelled", finishedAt: now, nextActionAt: null, leaseUntil: null },
        ...{ errorCode: ALTERED, errorMessage: "the renewal in the database is not as renewd wrote it" },
        fence: row("fence", "+", 1),
      }))
      .where("id", "=", id)
      .execute();
  });
}

const ALTERED: ErrorCode = "store.altered";

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
