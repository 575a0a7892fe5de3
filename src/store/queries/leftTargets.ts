import type { LeftTargetStore } from "../../domain/leftTarget.ts";
import { isIntact, withSeal } from "../rowSeal.ts";
import type { Db } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { readJson, receiptJson } from "./json.ts";

export function leftTargetStore(db: Db, vault: Vault): LeftTargetStore {
  return {
    async list() {
      const rows = await db.selectFrom("leftTargets").selectAll().orderBy("certificate").orderBy("target").execute();
      // Files are removed by what a row says, so it must be renewd's own.
      return rows
        .filter((row) => isIntact(vault, "leftTargets", row))
        .map(({ certificate, target, receipt, leftAt }) => ({
          ...{ certificate, target, leftAt },
          receipt: readJson(receiptJson, receipt, `left target ${target} of ${certificate}`),
        }));
    },
    async add({ certificate, target, receipt, leftAt }) {
      const row = withSeal(vault, "leftTargets", { certificate, target, receipt: JSON.stringify(receipt), leftAt });
      await db
        .insertInto("leftTargets")
        .values(row)
        .onConflict((conflict) => conflict.columns(["certificate", "target"]).doUpdateSet(row))
        .execute();
    },
    async remove({ certificate, target }) {
      await db.deleteFrom("leftTargets").where("certificate", "=", certificate).where("target", "=", target).execute();
    },
  };
}
