import { sql } from "kysely";
import type { ErrorCode } from "../../domain/errorTable.ts";
import { isClaimable } from "../../domain/lease.ts";
import { isActive } from "../../domain/renewal.ts";
import { isIntact } from "../rowSeal.ts";
import { atomically, type Db, type Dialect, isPostgresql } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { compiledOnce } from "./compiledOnce.ts";
import { type EventWriter, eventStore } from "./events.ts";
import { type HeldRenewal, type HeldRenewals, ORDER_COLUMNS } from "./heldRenewals.ts";
import { RENEWAL_COLUMNS } from "./renewalLists.ts";

/** The renewal with its order's state; `hasEnd`: an event says that it has ended, perhaps a forged one. */
type LockedRenewal = HeldRenewal & { readonly hasEnd: unknown };

/** Its certificate's row first, as everywhere. An SQLite transaction is the only writer from its start. */
export async function lockRow(db: Db, id: string): Promise<LockedRenewal | undefined> {
  return (await askLocked(db, { id })).rows[0];
}

const askLocked = compiledOnce<{ readonly id: string }, LockedRenewal>(["id"], (db, { id }) => {
  const row = db
    .selectFrom("renewals")
    .select([...RENEWAL_COLUMNS, ...ORDER_COLUMNS, "seal"])
    .select((columns) =>
      columns
        .exists(
          columns
            .selectFrom("events")
            .select("seq")
            .where("renewalId", "=", id)
            // No index of types is taken for an expression: one renewal has few events.
            .where(sql<string>`coalesce(type, '')`, "in", ENDS),
        )
        .as("hasEnd"),
    )
    .where("id", "=", id);
  if (!isPostgresql(db)) return row;
  // PostgreSQL locks what a condition selects before the row that meets the condition. One may have no certificate.
  const inOrder = row.where(({ eb, selectFrom, fn, ref }) => {
    const own = selectFrom("renewals as asked").select("asked.certificate").where("asked.id", "=", id);
    const locked = selectFrom("certificates").select("name").where("name", "=", own).forNoKeyUpdate();
    return eb("certificate", "=", fn.coalesce(locked, ref("certificate")));
  });
  return inOrder.forUpdate();
});

interface Claiming {
  readonly db: Db;
  readonly dialect: Dialect;
  readonly vault: Vault;
  readonly held: HeldRenewals;
}

/** One claimant gets the row. The sweep returns when the lease ends, as the claimant may die. */
export async function claim(
  { db, dialect, vault, held }: Claiming,
  id: string,
  now: number,
  leaseMs: number,
): Promise<HeldRenewal | null> {
  const locked = held.locked(id) ?? (await lockFirst(db, held, id));
  if (locked === null) return null;
  const { stored, row, hasEnd } = locked;
  if (!isActive(row.state) || !isClaimable(row, id, now, leaseMs)) return null;
  // A row of before, put back after its end, has the seal that it had then: what it asked for was done.
  if (!isIntact(vault, "renewals", stored) || (hasEnd && (await hasEnded(db, { dialect, vault }, id)))) {
    held.forget(id);
    await cancelAltered(db, stored, now);
    return null;
  }
  const { fence, openClaims } = row;
  const leaseUntil = now + leaseMs;
  held.change(id, fence, { fence: fence + 1, openClaims: openClaims + 1, leaseUntil, nextActionAt: leaseUntil });
  return held.get(id);
}

async function lockFirst(db: Db, held: HeldRenewals, id: string): Promise<ReturnType<HeldRenewals["locked"]>> {
  await held.flush();
  const locked = await lockRow(db, id);
  if (locked === undefined) return null;
  const { hasEnd, ...seen } = locked;
  held.keep(seen, isTrue(hasEnd));
  return held.locked(id);
}

/** SQLite has no boolean. */
export function isTrue(value: unknown): boolean {
  return value === true || value === 1;
}

const ENDS = ["renewal.succeeded", "renewal.failed", "renewal.cancelled", "renewal.rolledBack"] as const;

/** As the history says. A renewal that has ended never goes on. */
async function hasEnded(db: Db, writer: Omit<EventWriter, "worker">, id: string): Promise<boolean> {
  const { list } = eventStore(db, { ...writer, worker: "" });
  return (await list({ renewalId: id, types: ENDS, limit: 1, sealed: true })).length > 0;
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
