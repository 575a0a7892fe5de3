import { sql } from "kysely";
import { columnsOf, SEALED, type SealedRow, type SealedTable, sealStored } from "./rowSeal.ts";
import type { Db } from "./schema.ts";
import type { Vault } from "./vault.ts";

const PAGE_ROWS = 500;

/** Every row of a sealed table along its primary key, with the columns its seal covers. */
export async function* sealedRows(db: Db, table: SealedTable): AsyncGenerator<SealedRow> {
  const key = sql.join(SEALED[table].key.map((column) => sql.ref(column)));
  for (let last: SealedRow | undefined, full = true; full; ) {
    const after = last && sql`where (${key}) > (${sql.join(SEALED[table].key.map((column) => last?.[column]))})`;
    const { rows } = await sql<SealedRow>`select ${columnsOf(table)} from ${sql.table(table)} ${after ?? sql``}
      order by ${key} limit ${sql.lit(PAGE_ROWS)}`.execute(db);
    yield* rows;
    last = rows.at(-1);
    full = rows.length === PAGE_ROWS;
  }
}

/** Only for migrations: it believes every row as it is. */
export async function sealEveryRow(db: Db, vault: Vault, table: SealedTable): Promise<void> {
  for await (const row of sealedRows(db, table)) {
    // A primary key has texts and numbers only.
    const key = SEALED[table].key.map((column) => [column, row[column] as string | number] as const);
    await sealStored(db, vault, table, Object.fromEntries(key));
  }
}
