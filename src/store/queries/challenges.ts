import type { ChallengeResponses } from "../../domain/issuer.ts";
import { isIntact, withSeal } from "../rowSeal.ts";
import type { Db } from "../schema.ts";
import type { Vault } from "../vault.ts";

/** The port has no `now`, so the store reads the clock here: an expired answer must not be served. */
export function challengeStore(db: Db, vault: Vault): ChallengeResponses {
  return {
    async put(token, keyAuthorization, expiresAt) {
      // Removes what dead workers left: the table holds only answers in use.
      await db.deleteFrom("challenges").where("expiresAt", "<=", Date.now()).execute();
      const row = withSeal(vault, "challenges", { token, keyAuthorization, expiresAt });
      await db
        .insertInto("challenges")
        .values(row)
        .onConflict((conflict) => conflict.column("token").doUpdateSet(row))
        .execute();
    },
    async get(token) {
      const query = db.selectFrom("challenges").selectAll().where("token", "=", token);
      const row = await query.where("expiresAt", ">", Date.now()).executeTakeFirst();
      // The responder answers the CA for every name: it serves only what a holder of the master key wrote.
      return row !== undefined && isIntact(vault, "challenges", row) ? row.keyAuthorization : null;
    },
    async remove(token) {
      await db.deleteFrom("challenges").where("token", "=", token).execute();
    },
  };
}
