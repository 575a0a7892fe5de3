import type { Migration } from "kysely/migration";
import { checkMasterKey } from "../masterKeyCheck.ts";
import type { Db } from "../schema.ts";
import { sealEveryRow } from "../sealedRows.ts";
import type { Vault } from "../vault.ts";

/**
 * Seals on what makes `renewd status` green: what people acknowledged, as it is, and which processes run, which report
 * again within seconds.
 */
export function sealedHealth(vault: Vault): Migration {
  return {
    async up(db: Db) {
      await checkMasterKey(db, vault);
      for (const table of ["acknowledgements", "heartbeats"])
        await db.schema.alterTable(table).addColumn("seal", "text").execute();
      await sealEveryRow(db, vault, "acknowledgements");
      await db.deleteFrom("heartbeats").execute();
    },
  };
}
