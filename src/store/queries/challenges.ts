import type { ChallengeResponses } from "../../domain/issuer.ts";
import { isTlsAlpnPlace } from "../../domain/tlsAlpn.ts";
import { isIntact, withSeal } from "../rowSeal.ts";
import type { Db } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { accountThumbprints } from "./accountThumbprints.ts";

/** The port has no `now`, so the store reads the clock here: an expired answer must not be served. */
export function challengeStore(db: Db, vault: Vault): ChallengeResponses {
  const isOurThumbprint = accountThumbprints(db, vault);
  const store: ChallengeResponses = {
    async put(token, keyAuthorization, expiresAt) {
      const row = withSeal(vault, "challenges", { token, keyAuthorization, expiresAt });
      await db
        .insertInto("challenges")
        .values(row)
        .onConflict((conflict) => conflict.column("token").doUpdateSet(row))
        .execute();
    },
    async claim(place, keyAuthorization, expiresAt) {
      await db.deleteFrom("challenges").where("expiresAt", "<=", Date.now()).execute();
      const row = withSeal(vault, "challenges", { token: place, keyAuthorization, expiresAt });
      await db
        .insertInto("challenges")
        .values(row)
        .onConflict((conflict) =>
          conflict.column("token").doUpdateSet(row).where("challenges.keyAuthorization", "=", keyAuthorization),
        )
        .execute();
      const there = await store.get(place);
      // A row that is not served keeps nobody out.
      if (there === null) await store.put(place, keyAuthorization, expiresAt);
      return there === null || there === keyAuthorization;
    },
    async get(token) {
      const query = db.selectFrom("challenges").selectAll().where("token", "=", token);
      const row = await query.where("expiresAt", ">", Date.now()).executeTakeFirst();
      // The responder answers the CA for every name: it serves only what a holder of the master key wrote, and only
      // for our own accounts, so that a mistake of ours cannot validate a name for another account.
      if (row === undefined || !isIntact(vault, "challenges", row)) return null;
      const [of, thumbprint = "", ...rest] = row.keyAuthorization.split(".");
      const isOurs =
        (of === token || isTlsAlpnPlace(token)) && rest.length === 0 && (await isOurThumbprint(thumbprint));
      return isOurs ? row.keyAuthorization : null;
    },
    async remove(token, keyAuthorization) {
      // With what dead workers left: the table holds only answers in use.
      await db
        .deleteFrom("challenges")
        .where((row) =>
          row.or([
            row.and([row("token", "=", token), row("keyAuthorization", "=", keyAuthorization)]),
            row("expiresAt", "<=", Date.now()),
          ]),
        )
        .execute();
    },
  };
  return store;
}
