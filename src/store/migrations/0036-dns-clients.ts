import type { Migration } from "kysely/migration";
import { checkMasterKey } from "../masterKeyCheck.ts";
import { SEALED, sealOfRow, sealStored } from "../rowSeal.ts";
import type { Db } from "../schema.ts";
import { sealedRows } from "../sealedRows.ts";
import type { Vault } from "../vault.ts";

const BEFORE = SEALED.dnsRecords.columns.filter((column) => column !== "client");

/** For whom a record was published; the seal covers it. What was altered before stays without a valid seal. */
export function dnsClients(vault: Vault): Migration {
  return {
    async up(db: Db) {
      await checkMasterKey(db, vault);
      await db.schema.alterTable("dnsRecords").addColumn("client", "text").execute();
      for await (const row of sealedRows(db, "dnsRecords"))
        if (row.seal === sealOfRow(vault, "dnsRecords", row, BEFORE))
          await sealStored(db, vault, "dnsRecords", { id: String(row.id) });
    },
  };
}
