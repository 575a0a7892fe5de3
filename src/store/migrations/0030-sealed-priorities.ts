import type { Migration } from "kysely/migration";
import { checkMasterKey } from "../masterKeyCheck.ts";
import { SEALED, sealOfRow, sealStored } from "../rowSeal.ts";
import type { Db } from "../schema.ts";
import { sealEveryRow, sealedRows } from "../sealedRows.ts";
import type { Vault } from "../vault.ts";

const BEFORE = SEALED.renewals.columns.filter((column) => column !== "priority");

/**
 * The seal of a renewal covers how urgent it is as well; what was altered before stays without a valid seal. And seals
 * on how far each channel was notified and the history judged, as it is.
 */
export function sealedPriorities(vault: Vault): Migration {
  return {
    async up(db: Db) {
      await checkMasterKey(db, vault);
      for await (const row of sealedRows(db, "renewals"))
        if (row.seal === sealOfRow(vault, "renewals", row, BEFORE))
          await sealStored(db, vault, "renewals", { id: String(row.id) });
      for (const table of ["channelCursors", "alertStates"] as const) {
        await db.schema.alterTable(table).addColumn("seal", "text").execute();
        await sealEveryRow(db, vault, table);
      }
    },
  };
}
