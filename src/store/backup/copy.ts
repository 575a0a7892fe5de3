import { sql } from "kysely";
import { RenewalError } from "../../domain/errors.ts";
import { type Database, openDatabase, type StoreOptions } from "../database.ts";
import { markMoved, unmarkMoved } from "../moved.ts";
import type { Db, Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { refuseUsed } from "./inUse.ts";

/** Every table with its primary key, those that others refer to first. */
const TABLES = {
  meta: ["name"],
  certificates: ["name"],
  versions: ["certificate", "generation"],
  renewals: ["id"],
  deployments: ["certificate", "target"],
  endpointStatuses: ["certificate", "endpoint"],
  observations: ["certificate", "endpoint", "address"],
  vantageLooks: ["vantage", "certificate"],
  renewalInfos: ["certificate"],
  orderScopes: ["scope"],
  events: ["seq"],
  historyHead: ["id"],
  challenges: ["token"],
  dnsRecords: ["id"],
  dnsLocks: ["key"],
  dnsRates: ["key"],
  accounts: ["issuer", "directory"],
  ledger: ["scope", "kind", "key"],
  replacements: ["id"],
  crls: ["url"],
  drills: ["id"],
  exercises: ["id"],
  peers: ["name"],
  horizon: ["subject", "what"],
  leftTargets: ["certificate", "target"],
  inventory: ["fingerprint"],
  inventoryPlaces: ["fingerprint", "source", "place"],
  discoveryRuns: ["source"],
  replacementMembers: ["replacement", "certificate"],
  channelCursors: ["channel"],
  alerts: ["id"],
  alertReceipts: ["channel", "seq"],
  alertStates: ["id"],
  heartbeats: ["process", "role"],
  appliedConfigurations: ["id"],
  appliedCertificates: ["name"],
  steadyParts: ["after"],
  acknowledgements: ["subject"],
  webGrants: ["digest"],
  webAnswers: ["key"],
  eventTotals: ["type"],
  stageTotals: ["stage", "boundMs"],
  totalsCounted: ["id"],
  watchedEndpoints: ["key"],
  servedCertificates: ["fingerprint"],
  servedChains: ["digest", "position"],
  servedPlaces: ["key"],
  servedChanges: ["place", "since"],
  certificateDefinitions: ["name"],
  nameServerTotals: ["transport", "answer"],
  reservations: ["renewalId", "scope", "kind", "key"],
} as const satisfies Record<keyof Schema, readonly string[]>;

/** Times the widest table's columns this stays below the 32,766 parameters SQLite takes in one statement. */
const PAGE_ROWS = 500;

type Row = Readonly<Record<string, unknown>>;

/** How many rows were copied, by table. */
export type RowsByTable = Readonly<Record<string, number>>;

export interface CopyOptions {
  /** Copy the source as it was at one instant while others write. Without it nobody can write meanwhile. */
  readonly snapshot?: boolean;
  /**
   * Refuse a source that other renewd processes use; `now` in ms since epoch. For moving: otherwise two installations
   * would continue from one state.
   */
  readonly unused?: { readonly now: number };
  /** Leave word in the source that the installation moved. In ms since epoch. */
  readonly movedAt?: number;
  /** Part of the transaction that fills the destination. */
  readonly afterwards?: (destination: Database, writer: Db) => Promise<void>;
}

/**
 * Copies an installation into an empty database of either dialect: everything or nothing. History keeps its numbers.
 * Sealed values stay as they are, so both databases need the same master key.
 */
export async function copyStore(
  from: StoreOptions,
  to: StoreOptions,
  vault: Vault,
  options: CopyOptions = {},
  signal?: AbortSignal,
): Promise<RowsByTable> {
  // One connection only: every other session is then another process.
  const source = await openDatabase(from.kind === "postgresql" ? { ...from, poolMax: 1 } : from, vault);
  try {
    if (options.unused !== undefined) await refuseUsed(source, options.unused.now);
    const destination = await openDatabase(to, vault);
    try {
      const reading = options.snapshot ? source.db.transaction().setAccessMode("read only") : source.db.transaction();
      return await reading.execute(async (reader) => {
        const rows = await destination.db.transaction().execute(async (writer) => {
          if (!options.snapshot) await keepOthersOut(source, reader);
          await keepOthersOut(destination, writer);
          const copied = await copyTables(reader, writer, destination, signal);
          await options.afterwards?.(destination, writer);
          return copied;
        });
        if (options.movedAt !== undefined) await markMoved(reader, destination.where, options.movedAt);
        return rows;
      });
    } finally {
      await destination.db.destroy();
    }
  } finally {
    await source.db.destroy();
  }
}

async function copyTables(reader: Db, writer: Db, destination: Database, signal?: AbortSignal): Promise<RowsByTable> {
  const copied: Record<string, number> = {};
  for (const [table, key] of Object.entries(TABLES)) {
    // How far totals are counted: its migration writes a row to every new database. Events are refused on their own.
    if (table === "totalsCounted") await writer.deleteFrom(table).execute();
    else if (table !== "meta") await refuseRows(writer, table, destination.where);
    copied[table] = await copyTable(reader, writer, { table, key }, signal);
  }
  // A backup of a database that was copied elsewhere is not itself out of use.
  await unmarkMoved(writer);
  return copied;
}

/** On SQLite an immediate transaction already has the file for writing to itself. */
async function keepOthersOut({ dialect }: Database, trx: Db): Promise<void> {
  if (dialect === "sqlite") return;
  await sql`lock table ${sql.join(Object.keys(TABLES).map((table) => sql.table(table)))} in exclusive mode`.execute(
    trx,
  );
}

async function refuseRows(writer: Db, table: string, where: string): Promise<void> {
  const { rows } = await sql<Row>`select 1 as found from ${sql.table(table)} limit 1`.execute(writer);
  if (rows.length > 0)
    throw new RenewalError(
      "request.invalid",
      `the destination ${where} is not empty: "${table}" has rows; copy into a new database`,
    );
}

/** Page by page along the primary key, so that neither memory nor time per page grows with the table. */
async function copyTable(
  reader: Db,
  writer: Db,
  { table, key }: { readonly table: string; readonly key: readonly string[] },
  signal?: AbortSignal,
): Promise<number> {
  const columns = sql.join(key.map((column) => sql.ref(column)));
  let copied = 0;
  for (let last: Row | undefined; ; ) {
    signal?.throwIfAborted();
    const after =
      last === undefined ? sql`1 = 1` : sql`(${columns}) > (${sql.join(key.map((column) => last?.[column]))})`;
    const page = sql<Row>`select * from ${sql.table(table)} where ${after}
      order by ${columns} limit ${sql.lit(PAGE_ROWS)}`;
    const { rows } = await page.execute(reader);
    if (rows.length === 0) return copied;
    await insertRows(writer, table, rows);
    copied += rows.length;
    last = rows.at(-1);
  }
}

async function insertRows(writer: Db, table: string, rows: readonly Row[]): Promise<void> {
  const columns = Object.keys(rows[0] ?? {});
  const values = rows.map((row) => sql`(${sql.join(columns.map((column) => row[column]))})`);
  // Opening the destination has already written its own check of the same master key to "meta".
  const known = table === "meta" ? sql`on conflict do nothing` : sql``;
  const insert = sql`insert into ${sql.table(table)} (${sql.join(columns.map((column) => sql.ref(column)))})
    values ${sql.join(values)} ${known}`;
  await insert.execute(writer);
}
