import type { ChallengeResponses } from "../../domain/issuer.ts";
import type { Db } from "../schema.ts";

/** The port has no `now`, so the store reads the clock here: an expired answer must not be served. */
export function challengeStore(db: Db): ChallengeResponses {
  return {
    async put(token, keyAuthorization, expiresAt) {
      // Removes what dead workers left: the table holds only answers in use.
      await db.deleteFrom("challenges").where("expiresAt", "<=", Date.now()).execute();
      await db
        .insertInto("challenges")
        .values({ token, keyAuthorization, expiresAt })
        .onConflict((conflict) => conflict.column("token").doUpdateSet({ keyAuthorization, expiresAt }))
        .execute();
    },
    async get(token) {
      const query = db
        .selectFrom("challenges")
        .select("keyAuthorization")
        .where("token", "=", token)
        .where("expiresAt", ">", Date.now());
      return (await query.executeTakeFirst())?.keyAuthorization ?? null;
    },
    async remove(token) {
      await db.deleteFrom("challenges").where("token", "=", token).execute();
    },
  };
}
