import { sql } from "kysely";
import { ACTIVE_STATES } from "../domain/renewal.ts";
import { atomically, type Db, type Dialect } from "./schema.ts";

/** Tables whose numbers decide when and by whom something is done. */
const TABLES = [
  ...["certificates", "renewals", "deployments", "endpoint_statuses", "renewal_infos", "ledger", "reservations"],
  ...["replacements", "replacement_members", "crls", "channel_cursors", "vantage_looks"],
];

interface Column {
  readonly name: string;
  readonly required: boolean;
}

/**
 * Numbers that JavaScript does not count exactly, and in SQLite what is no number at all: no comparison with them
 * holds, so what they belong to would never be due and never be claimed. Only somebody else can have written them. Each
 * becomes null, or 0 where there must be a number. Returns the columns, such as `renewals.fence`.
 */
export function repairNumbers(db: Db, dialect: Dialect): Promise<string[]> {
  return atomically(db, async (trx) => {
    const repaired: string[] = [];
    for (const table of TABLES) {
      const columns = await numbersOf(trx, dialect, table);
      const unusable = columns.map(({ name }) => unusableIn(dialect, name));
      const { rows } = await sql<object>`select 1 as found from ${sql.table(table)}
        where ${inUse(table)} (${sql.join(unusable, sql` or `)}) limit 1`.execute(trx);
      if (rows.length === 0) continue;
      for (const { name, required } of columns) {
        const { numAffectedRows = 0n } = await sql`update ${sql.table(table)}
          set ${sql.ref(name)} = ${required ? sql.lit(0) : sql.lit(null)} where ${unusableIn(dialect, name)}`.execute(
          trx,
        );
        if (numAffectedRows > 0n) repaired.push(`${table}.${name}`);
      }
    }
    return repaired;
  });
}

/** Renewals that have ended are many, and nobody acts on them. Literals, as a partial index needs. */
function inUse(table: string) {
  const states = sql.join(ACTIVE_STATES.map((state) => sql.lit(state)));
  return table === "renewals" ? sql`state in (${states}) and` : sql``;
}

function unusableIn(dialect: Dialect, name: string) {
  const column = sql.ref(name);
  const tooLarge = sql`${column} not between ${sql.lit(Number.MIN_SAFE_INTEGER)} and ${sql.lit(Number.MAX_SAFE_INTEGER)}`;
  // A comparison with null is neither true nor false.
  return dialect === "postgresql" ? tooLarge : sql`typeof(${column}) not in ('integer', 'null') or ${tooLarge}`;
}

async function numbersOf(db: Db, dialect: Dialect, table: string): Promise<readonly Column[]> {
  const query =
    dialect === "sqlite"
      ? sql<{ name: string; required: number }>`select name, "notnull" as required from pragma_table_info(${table})
          where lower(type) in ('bigint', 'integer')`
      : sql<{ name: string; required: number }>`select column_name as name,
          case is_nullable when 'NO' then 1 else 0 end as required from information_schema.columns
          where table_schema = current_schema() and table_name = ${table} and data_type in ('bigint', 'integer')`;
  return (await query.execute(db)).rows.map(({ name, required }) => ({ name, required: required !== 0 }));
}
