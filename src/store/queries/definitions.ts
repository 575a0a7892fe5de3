import { sql } from "kysely";
import { z } from "zod";
import type { DefinitionStore, DefinitionWrite, StoredDefinition, StoredDefinitions } from "../../domain/definition.ts";
import { isIntact, withSeal } from "../rowSeal.ts";
import { atomically, type Db, isPostgresql, type Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { readJson } from "./json.ts";

type Row = Schema["certificateDefinitions"];

/** SQLite takes 32,766 parameters in one statement. */
const ROWS_MAX = 1_000;

const definitionJson = z.record(z.string(), z.unknown());

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
  const rows = await db.selectFrom("certificateDefinitions").selectAll().orderBy("name").execute();
  const definitions: StoredDefinition[] = [];
  const altered: string[] = [];
  let revision = 0;
  for (const row of rows) {
    const { name, definition, changedAt, changedBy } = row;
    revision = Math.max(revision, row.revision);
    if (!isIntact(vault, "certificateDefinitions", row)) altered.push(name);
    else if (definition !== null)
      definitions.push({
        name,
        definition: readJson(definitionJson, definition, `definition of ${name}`),
        changedAt,
        changedBy,
      });
  }
  return { revision, definitions, altered };
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
