import { sql } from "kysely";
import { columnsOf, SEALED, type SealedRow, type SealedTable } from "./rowSeal.ts";
import type { Db } from "./schema.ts";

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
