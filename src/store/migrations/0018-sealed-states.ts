import type { Migration } from "kysely/migration";
import { checkMasterKey } from "../masterKeyCheck.ts";
import type { SealedTable } from "../rowSeal.ts";
import type { Db } from "../schema.ts";
import { sealEveryRow } from "../sealedRows.ts";
import type { Vault } from "../vault.ts";

const TABLES = [
  "deployments",
  "endpointStatuses",
  "observations",
  "renewalInfos",
] as const satisfies readonly SealedTable[];

/**
 * Seals on what targets hold, what endpoints served and what CAs suggest, and which digest of its configuration each
 * renewal began to issue by. Rows of an older release are sealed as they are, as in 0014.
 */
export function sealedStates(vault: Vault): Migration {
  return {
    async up(db: Db) {
      await checkMasterKey(db, vault);
      for (const table of TABLES) await db.schema.alterTable(table).addColumn("seal", "text").execute();
      for (const table of TABLES) await sealEveryRow(db, vault, table);
      await db.schema.alterTable("renewals").addColumn("issue_digest", "text").execute();
    },
  };
}
