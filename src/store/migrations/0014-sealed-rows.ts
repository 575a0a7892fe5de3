import type { Migration } from "kysely/migration";
import { checkMasterKey } from "../masterKeyCheck.ts";
import type { SealedTable } from "../rowSeal.ts";
import type { Db } from "../schema.ts";
import { sealEveryRow } from "../sealedRows.ts";
import type { Vault } from "../vault.ts";

const TABLES = [
  ...(["challenges", "accounts", "versions", "renewals"] as const),
  ...(["replacements", "replacementMembers", "certificates"] as const),
] satisfies readonly SealedTable[];
/** Answers to challenges live for minutes: without a seal they are not served, and their orders present them again. */
const NOT_SEALED: readonly string[] = ["challenges"] satisfies readonly SealedTable[];

/**
 * Seals on rows that workers obey. Rows of an older release are sealed as they are, here and not at a later start: a
 * row without a seal is then always somebody else's. Stored orders are not sealed, so they are replaced by new ones.
 */
export function rowSeals(vault: Vault): Migration {
  return {
    async up(db: Db) {
      // Before anything is sealed under a wrong key.
      await checkMasterKey(db, vault);
      for (const table of TABLES) await db.schema.alterTable(table).addColumn("seal", "text").execute();
      for (const table of TABLES) if (!NOT_SEALED.includes(table)) await sealEveryRow(db, vault, table);
    },
  };
}
