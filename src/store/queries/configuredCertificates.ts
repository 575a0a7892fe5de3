import { type ExpressionBuilder, sql } from "kysely";
import { type Certificate, type CertificateRecord, QUARANTINED } from "../../domain/certificate.ts";
import type { ErrorCode } from "../../domain/errorTable.ts";
import type { CertificateChanges } from "../../domain/store.ts";
import { changeSealed, withSeal } from "../rowSeal.ts";
import type { Db, Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";

interface Writer {
  readonly trx: Db;
  readonly vault: Vault;
}

/** New or changed: due now, earlier failures no longer count. */
const resetState = (now: number) =>
  ({
    ...{ nextCheckAt: now, failures: 0, nextAttemptAt: null, lastErrorCode: null, lastErrorMessage: null },
    ...{ removedAt: null },
    ...{ nextRehearsalAt: null, rehearsalProblem: null, planFailures: 0, planErrorCode: null, planErrorMessage: null },
  }) as const;

const CRASH_LOOP: ErrorCode = "internal.crashLoop";

/** For a known certificate: a quarantine ends, as the change may remove its cause. A person's pause stays. */
function changedTo(digest: string, now: number) {
  return (row: ExpressionBuilder<Schema, "certificates">) => {
    const quarantined = row.and([
      row("lastErrorCode", "=", CRASH_LOOP),
      row("pausedReason", "like", `${QUARANTINED}%`),
    ]);
    const kept = <Column extends "pausedAt" | "pausedUntil" | "pausedReason">(column: Column) =>
      row.case().when(quarantined).then(null).else(row.ref(column)).end();
    return {
      digest,
      ...resetState(now),
      pausedAt: kept("pausedAt"),
      pausedUntil: kept("pausedUntil"),
      pausedReason: kept("pausedReason"),
    };
  };
}

/** A longer statement is prepared each time (keptPlans.ts), which costs as much as it saves. */
const INSERT_ROWS_MAX = 100;

/**
 * Several processes may load the same configuration at once. Every write repeats its assumption in WHERE: exactly one
 * process reports each change. Names are locked in order, so they cannot deadlock.
 */
export async function sync(
  { trx, vault }: Writer,
  certificates: readonly Certificate[],
  now: number,
  only?: readonly string[],
): Promise<CertificateChanges> {
  const { known, wanted, names } = await compared(trx, certificates, only);
  const unknown = names.filter((name) => !known.has(name) && wanted.has(name));
  const added: string[] = await insert({ trx, vault }, unknown, wanted, now);
  const changed: string[] = [];
  const removed: string[] = [];
  for (const name of names) {
    const change = difference(known.get(name), wanted.get(name));
    const digest = wanted.get(name) ?? "";
    if (change === "returned" && (await comeBack({ trx, vault }, name, digest, now))) added.push(name);
    if (change === "changed" && (await renew({ trx, vault }, name, digest, now))) changed.push(name);
    if (change === "removed" && (await remove(trx, name, now))) removed.push(name);
  }
  return { added: added.sort(), changed, removed };
}

export async function changes(db: Db, certificates: readonly Certificate[]): Promise<CertificateChanges> {
  const { known, wanted, names } = await compared(db, certificates);
  const changing = Map.groupBy(names, (name) => difference(known.get(name), wanted.get(name)));
  const added = names.filter((name) => !known.has(name));
  return {
    added: [...added, ...(changing.get("returned") ?? [])].sort(),
    changed: changing.get("changed") ?? [],
    removed: changing.get("removed") ?? [],
  };
}

/** What there is beside what is configured, by name; all names in order. */
async function compared(db: Db, certificates: readonly Certificate[], only?: readonly string[]) {
  const query = db.selectFrom("certificates").select(["name", "digest", "removedAt"]);
  const rows = await (only === undefined ? query : query.where("name", "in", only)).execute();
  const known = new Map(rows.map(({ name, digest, removedAt }) => [name, { digest, removedAt }]));
  const wanted = new Map(certificates.map(({ name, digest }) => [name, digest]));
  const names = only ?? new Set([...known.keys(), ...wanted.keys()]);
  return { known, wanted, names: [...names].sort() };
}

function difference(
  known: Pick<CertificateRecord, "digest" | "removedAt"> | undefined,
  digest: string | undefined,
): "returned" | "changed" | "removed" | null {
  if (known === undefined) return null;
  if (digest === undefined) return known.removedAt === null ? "removed" : null;
  if (known.removedAt !== null) return "returned";
  return known.digest === digest ? null : "changed";
}

/** Exported so that a test can check its query plan: the first configuration asks it for each thousand certificates. */
export function highestFloor(db: Db) {
  return db
    .selectFrom("certificates")
    .select((column) => column.fn.max("generationFloor").as("floor"))
    .where("generationFloor", ">", sql.lit(0));
}

/** Returns the names that were new. */
export async function insert(
  { trx, vault }: Writer,
  names: readonly string[],
  wanted: ReadonlyMap<string, string>,
  now: number,
): Promise<string[]> {
  const { floor } = await highestFloor(trx).executeTakeFirstOrThrow();
  // A certificate that the restored backup does not know may have been issued and deployed since the backup.
  const fresh = {
    pausedAt: null,
    pausedUntil: null,
    pausedReason: null,
    restoredAt: null,
    generationFloor: floor ?? 0,
  };
  const never = { nextObservationAt: null, expiryWarningAt: null };
  const inserted: string[] = [];
  for (let from = 0; from < names.length; from += INSERT_ROWS_MAX) {
    const rows = names
      .slice(from, from + INSERT_ROWS_MAX)
      .map((name) => ({ name, digest: wanted.get(name) ?? "", ...resetState(now), ...fresh, ...never }))
      .map((row) => withSeal(vault, "certificates", row));
    const returned = await trx
      .insertInto("certificates")
      .values(rows)
      .onConflict((conflict) => conflict.doNothing())
      .returning("name")
      .execute();
    inserted.push(...returned.map(({ name }) => name));
  }
  return inserted;
}

function comeBack({ trx, vault }: Writer, name: string, digest: string, now: number): Promise<boolean> {
  return changeSealed(trx, vault, { table: "certificates", key: { name } }, async () => {
    const result = await trx
      .updateTable("certificates")
      .set(changedTo(digest, now))
      .where("name", "=", name)
      .where("removedAt", "is not", null)
      .executeTakeFirst();
    return result.numUpdatedRows === 1n;
  });
}

function renew({ trx, vault }: Writer, name: string, digest: string, now: number): Promise<boolean> {
  return changeSealed(trx, vault, { table: "certificates", key: { name } }, async () => {
    const result = await trx
      .updateTable("certificates")
      .set(changedTo(digest, now))
      .where("name", "=", name)
      .where("removedAt", "is", null)
      .where("digest", "!=", digest)
      .executeTakeFirst();
    return result.numUpdatedRows === 1n;
  });
}

async function remove(trx: Db, name: string, now: number): Promise<boolean> {
  const result = await trx
    .updateTable("certificates")
    .set({ removedAt: now, nextCheckAt: null })
    .where("name", "=", name)
    .where("removedAt", "is", null)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}
