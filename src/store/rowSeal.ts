import { type RawBuilder, sql } from "kysely";
import { toStorable } from "./dialect/driver.ts";
import { atomically, type Db, isPostgresql } from "./schema.ts";
import type { Vault } from "./vault.ts";

/**
 * Rows that a worker obeys without another check, and the columns their seals cover. Without a valid seal: a challenge
 * answer is not served, a DNS record is not removed, an account URL is asked for again, a version is refused, a renewal
 * is cancelled, a replacement and a pause are ignored; a target counts as holding nothing, an endpoint as never
 * dialled, and a CA as never asked for its window; what people acknowledged is red again, a process counts as not
 * running, an alert or drill does not exist, a channel gets the newest events again, and a browser is not signed in; a
 * watched endpoint is not dialled, what an address served is not told, and a found certificate was never seen; a
 * configuration with the definition of a certificate is refused, and one that was applied is not shown; the part of a fleet
 * that a row says is well is read again. `renewd audit verify` names every such row.
 */
export const SEALED = {
  challenges: { key: ["token"], columns: ["keyAuthorization", "expiresAt"] },
  dnsRecords: {
    key: ["id"],
    columns: [
      ...(["solver", "identifier", "name", "value", "zoneId", "zoneName"] as const),
      ...(["providerId", "client", "createdAt"] as const),
    ],
  },
  accounts: { key: ["issuer", "directory"], columns: ["url"] },
  versions: {
    key: ["certificate", "generation"],
    columns: [
      ...(["issuer", "directory", "leaf", "leafPem", "chainPem", "keyType", "createdAt"] as const),
      ...(["verifiedAt", "revokedAt", "droppedNames"] as const),
    ],
  },
  renewals: {
    key: ["id"],
    columns: [
      ...(["certificate", "generation", "reason", "reasonDetail", "trigger", "issuer", "digest"] as const),
      "priority",
      ...(["state", "createdAt", "finishedAt", "errorCode", "errorMessage"] as const),
    ],
  },
  replacements: { key: ["id"], columns: ["selection", "issuer", "deadline", "createdAt", "endedAt"] },
  drills: { key: ["id"], columns: ["startedAt", "finishedAt", "body"] },
  exercises: { key: ["id"], columns: ["startedAt", "finishedAt", "body"] },
  peers: { key: ["name"], columns: ["body"] },
  certificateDefinitions: { key: ["name"], columns: ["definition", "changedAt", "changedBy"] },
  appliedConfigurations: { key: ["id"], columns: ["file", "digest", "body"] },
  appliedCertificates: { key: ["name"], columns: ["digest", "body"] },
  steadyParts: { key: ["after"], columns: ["last", "checkedAt", "body"] },
  horizon: { key: ["subject", "what"], columns: ["body"] },
  replacementMembers: { key: ["replacement", "certificate"], columns: ["generation", "wave"] },
  certificates: { key: ["name"], columns: ["pausedAt", "pausedUntil", "pausedReason"] },
  deployments: {
    key: ["certificate", "target"],
    columns: ["wantedGeneration", "deployedGeneration", "deployedAt", "targetDigest", "receipt"],
  },
  leftTargets: { key: ["certificate", "target"], columns: ["receipt", "leftAt"] },
  endpointStatuses: {
    key: ["certificate", "endpoint"],
    columns: ["generation", "proved", "roundEndedAt", "errorCode", "errorMessage"],
  },
  acknowledgements: { key: ["subject"], columns: ["kinds", "reason", "by", "at", "until"] },
  heartbeats: {
    key: ["process", "role"],
    columns: [
      ...(["host", "version", "digest", "configFile", "targets"] as const),
      ...(["startedAt", "beatAt", "usefulAt", "stoppedAt", "problems"] as const),
    ],
  },
  alerts: { key: ["id"], columns: ["rule", "cause", "openedAt", "resolvedAt", "body"] },
  alertStates: { key: ["id"], columns: ["body"] },
  channelCursors: { key: ["channel"], columns: ["seq"] },
  webGrants: { key: ["digest"], columns: ["kind", "actor", "createdAt", "expiresAt"] },
  inventory: {
    key: ["fingerprint"],
    columns: ["key", "serial", "notAfter", "body", "firstSeen", "lastSeen", "ignored", "announced"],
  },
  inventoryPlaces: { key: ["fingerprint", "source", "place"], columns: ["body", "firstSeen", "lastSeen"] },
  discoveryRuns: { key: ["source"], columns: ["startedAt", "finishedAt", "found", "problems"] },
  observations: { key: ["certificate", "endpoint", "address"], columns: ["body", "evidence"] },
  watchedEndpoints: { key: ["key"], columns: ["origin", "place", "definition", "look"] },
  servedChanges: { key: ["place", "since"], columns: ["leaf", "chain", "code"] },
  renewalInfos: {
    key: ["certificate"],
    columns: [
      ...(["generation", "windowStart", "windowEnd", "renewAt", "explanationUrl"] as const),
      ...(["polledAt", "overdueInRow", "orderedAt"] as const),
    ],
  },
} as const;
export type SealedTable = keyof typeof SEALED;

export type SealedRow = Readonly<Record<string, unknown>> & { readonly seal: unknown };
type Key = Readonly<Record<string, string | number>>;

/** Over the row as the database gives it back: a row cannot replace another, nor one table's row another table's. */
export function sealOfRow(
  vault: Vault,
  table: SealedTable,
  row: object,
  columns: readonly string[] = SEALED[table].columns,
): string {
  const { key } = SEALED[table];
  const values = [...key, ...columns].map((column) => sealedValue(Reflect.get(row, column)));
  return vault.authenticate(`row ${JSON.stringify([table, ...values])}`);
}

/** Bytes, which SQLite keeps in a column of any type, are written by others only: no seal was ever over them. */
function sealedValue(value: unknown): unknown {
  if (value instanceof Uint8Array) return { bytes: value.length };
  const stored = toStorable(value);
  return typeof stored === "string" ? stored.toWellFormed() : stored;
}

/** For a row that is inserted. */
export function withSeal<Row extends object>(vault: Vault, table: SealedTable, row: Row): Row & { seal: string } {
  return { ...row, seal: sealOfRow(vault, table, row) };
}

export function isIntact(vault: Vault, table: SealedTable, row: object & { readonly seal: unknown }): boolean {
  return vault.isBlind === true || row.seal === sealOfRow(vault, table, row);
}

/**
 * The first `limit` rows that renewd wrote. Rows that somebody else wrote keep none behind them from being found,
 * however many they are. `page` gives at most `limit` rows from an offset on, in an order that does not change.
 */
export async function intactOnes<Row extends { readonly seal: unknown }>(
  vault: Vault,
  table: SealedTable,
  page: (offset: number) => Promise<Row[]>,
  limit: number,
): Promise<Row[]> {
  const intact: Row[] = [];
  for (let seen = 0; intact.length < limit; ) {
    const rows = await page(seen);
    intact.push(...rows.filter((row) => isIntact(vault, table, row)));
    seen += rows.length;
    if (rows.length < limit) break;
  }
  return intact.slice(0, limit);
}

/**
 * Runs `change` on one row and seals it again. A row that was altered before stays without a valid seal: a change must
 * not legitimate what somebody else wrote.
 */
export function changeSealed<T>(
  db: Db,
  vault: Vault,
  { table, key }: { readonly table: SealedTable; readonly key: Key },
  change: (trx: Db) => Promise<T>,
): Promise<T> {
  return atomically(db, async (trx) => {
    const before = await readRow(trx, table, key);
    const result = await change(trx);
    if (before === null || isIntact(vault, table, before)) await sealStored(trx, vault, table, key);
    return result;
  });
}

/**
 * Like `changeSealed`, where the values to write are known before: two statements instead of four. `write` sets the
 * patch and the seal in one statement. An altered row keeps its seal, which does not fit.
 */
export function patchSealed<T>(
  db: Db,
  vault: Vault,
  { table, key }: { readonly table: SealedTable; readonly key: Key },
  patch: object,
  write: (trx: Db, sealed: { readonly seal?: string }) => Promise<T>,
): Promise<T> {
  return atomically(db, async (trx) => {
    // Locked, so that the seal is over the row that is written. An SQLite transaction is the only writer.
    const before = await readRow(trx, table, key, isPostgresql(trx) ? sql`for update` : sql``);
    return write(trx, before === null ? {} : patchedSeal(vault, table, before, patch));
  });
}

/** The seal of a row, as it is in the database, after a patch. None for an altered row. */
export function patchedSeal(
  vault: Vault,
  table: SealedTable,
  before: object & { readonly seal: unknown },
  patch: object,
): { readonly seal?: string } {
  if (!isIntact(vault, table, before)) return {};
  const given = Object.entries(patch).filter(([, value]) => value !== undefined);
  return { seal: sealOfRow(vault, table, { ...before, ...Object.fromEntries(given) }) };
}

/** Seals the row as it is. */
export async function sealStored(db: Db, vault: Vault, table: SealedTable, key: Key): Promise<void> {
  const row = await readRow(db, table, key);
  if (row !== null) await sealReturned(db, vault, { table, key }, row);
}

/** Seals the row that the statement which wrote it gave back. */
export async function sealReturned(
  db: Db,
  vault: Vault,
  { table, key }: { readonly table: SealedTable; readonly key: Key },
  row: object,
): Promise<void> {
  const seal = sealOfRow(vault, table, row);
  await sql`update ${sql.table(table)} set seal = ${seal} where ${matching(key)}`.execute(db);
}

/** Null: there is no such row. */
export async function readRow(
  db: Db,
  table: SealedTable,
  key: Key,
  lock: RawBuilder<unknown> = sql``,
): Promise<SealedRow | null> {
  const { rows } = await sql<SealedRow>`select ${columnsOf(table)} from ${sql.table(table)}
    where ${matching(key)} ${lock}`.execute(db);
  return rows[0] ?? null;
}

export function columnsOf(table: SealedTable) {
  const { key, columns } = SEALED[table];
  return sql.join([...key, ...columns, "seal"].map((column) => sql.ref(column)));
}

function matching(key: Key) {
  return sql.join(
    Object.entries(key).map(([column, value]) => sql`${sql.ref(column)} = ${value}`),
    sql` and `,
  );
}
