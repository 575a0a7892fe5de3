import { sql } from "kysely";
import { z } from "zod";
import type { DefinitionStore, DefinitionWrite, StoredDefinition, StoredDefinitions } from "../../domain/definition.ts";
import { RenewalError } from "../../domain/errors.ts";
import { isIntact, withSeal } from "../rowSeal.ts";
import { atomically, type Db, isPostgresql, type Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { readJson } from "./json.ts";

type Row = Schema["certificateDefinitions"];

/** SQLite takes 32,766 parameters in one statement. */
const ROWS_MAX = 1_000;

/** A concurrent writer has to come first as often as this. */
const ATTEMPTS_MAX = 5;

/** A schema of the record would copy each. */
const definitionJson = z.custom<StoredDefinition["definition"]>(
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
);

export function definitionStore(db: Db, vault: Vault): DefinitionStore {
  return {
    revision: () => revisionOf(db),
    list: () => listDefinitions(db, vault),
    async removal(name) {
      const found = db.selectFrom("certificateDefinitions").selectAll().where("name", "=", name);
      const row = await found.where("definition", "is", null).executeTakeFirst();
      return row !== undefined && isIntact(vault, "certificateDefinitions", row) ? row : null;
    },
    write: (writes, { seen, at, by }) =>
      atomically(db, async (trx) => {
        // Revisions are handed out in the order of their commits: a reader must not miss a smaller one that comes later.
        if (isPostgresql(trx)) await sql`lock table certificate_definitions in share row exclusive mode`.execute(trx);
        if ((await revisionOf(trx)) !== seen) return null;
        const rows = writes.map((write) => rowOf(vault, write, { at, by, revision: seen + 1 }));
        for (let from = 0; from < rows.length; from += ROWS_MAX) await upsert(trx, rows.slice(from, from + ROWS_MAX));
        return rows.length === 0 ? seen : seen + 1;
      }),
  };
}

/** `vault` blind: no seal is checked. */
export async function listDefinitions(db: Db, vault: Vault): Promise<StoredDefinitions> {
  for (let attempt = 1; ; attempt++) {
    const revision = await revisionOf(db);
    const found = { revision, definitions: [] as StoredDefinition[], altered: [] as string[] };
    for await (const rows of pages(db)) readRows(vault, rows, found);
    // Nothing was written between two pages.
    if ((await revisionOf(db)) === revision) return found;
    if (attempt === ATTEMPTS_MAX)
      throw new RenewalError("store.conflict", "others keep changing definitions while they are read; try again");
  }
}

/** Of very many rows there are never all at once. */
async function* pages(db: Db): AsyncGenerator<readonly Row[]> {
  const query = db.selectFrom("certificateDefinitions").selectAll().orderBy("name").limit(ROWS_MAX);
  for (let rows = await query.execute(); rows.length > 0; ) {
    yield rows;
    if (rows.length < ROWS_MAX) return;
    rows = await query.where("name", ">", rows.at(-1)?.name ?? "").execute();
  }
}

function readRows(
  vault: Vault,
  rows: readonly Row[],
  found: { readonly definitions: StoredDefinition[]; readonly altered: string[] },
): void {
  for (const row of rows) {
    const { name, definition, changedAt, changedBy } = row;
    if (!isIntact(vault, "certificateDefinitions", row)) found.altered.push(name);
    else if (definition !== null) {
      const read = readJson(definitionJson, definition, `definition of ${name}`);
      found.definitions.push({ name, definition: read, changedAt, changedBy });
    }
  }
}

async function revisionOf(db: Db): Promise<number> {
  const { fn } = db;
  const row = await db.selectFrom("certificateDefinitions").select(fn.max("revision").as("last")).executeTakeFirst();
  return Number(row?.last ?? 0);
}

function rowOf(
  vault: Vault,
  { name, definition }: DefinitionWrite,
  { at, by, revision }: { readonly at: number; readonly by: string | null; readonly revision: number },
): Row {
  const text = definition === null ? null : JSON.stringify(definition);
  return withSeal(vault, "certificateDefinitions", { name, definition: text, changedAt: at, changedBy: by, revision });
}

async function upsert(trx: Db, rows: readonly Row[]): Promise<void> {
  await trx
    .insertInto("certificateDefinitions")
    .values(rows)
    .onConflict((conflict) =>
      conflict.column("name").doUpdateSet((row) => ({
        definition: row.ref("excluded.definition"),
        changedAt: row.ref("excluded.changedAt"),
        changedBy: row.ref("excluded.changedBy"),
        revision: row.ref("excluded.revision"),
        seal: row.ref("excluded.seal"),
      })),
    )
    .execute();
}
