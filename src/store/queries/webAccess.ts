import { z } from "zod";
import type { WebAccessStore, WebGrant } from "../../domain/webAccess.ts";
import { isIntact, withSeal } from "../rowSeal.ts";
import { atomically, type Db, type Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";

const kindText = z.enum(["code", "session"]);

/** A grant that somebody else wrote is none. */
export function webAccessStore(db: Db, vault: Vault): WebAccessStore {
  const valid = (row: Schema["webGrants"] | undefined, kind: WebGrant["kind"], now: number): WebGrant | null => {
    if (row === undefined || vault.isBlind === true || !isIntact(vault, "webGrants", row)) return null;
    const { seal: _, ...grant } = row;
    const known = kindText.safeParse(row.kind);
    return known.data === kind && grant.expiresAt > now ? { ...grant, kind } : null;
  };
  return {
    async add(grant) {
      await db
        .insertInto("webGrants")
        .values(withSeal(vault, "webGrants", grant))
        .execute();
    },
    async take(digest, now) {
      return atomically(db, async (trx) => {
        const row = await trx
          .deleteFrom("webGrants")
          .where("digest", "=", digest)
          .where("kind", "=", "code")
          .returningAll()
          .executeTakeFirst();
        return valid(row, "code", now);
      });
    },
    async session(digest, now) {
      const row = await db.selectFrom("webGrants").selectAll().where("digest", "=", digest).executeTakeFirst();
      return valid(row, "session", now);
    },
    async remove(digest) {
      await db.deleteFrom("webGrants").where("digest", "=", digest).execute();
    },
    async known({ key }) {
      const row = await db.selectFrom("webAnswers").selectAll().where("key", "=", key).executeTakeFirst();
      return row ?? null;
    },
    reserve: (answer) =>
      atomically(db, async (trx) => {
        const inserted = await trx
          .insertInto("webAnswers")
          .values({ ...answer, status: null, body: null })
          .onConflict((conflict) => conflict.doNothing())
          .returning("key")
          .executeTakeFirst();
        if (inserted !== undefined) return null;
        const known = await trx.selectFrom("webAnswers").selectAll().where("key", "=", answer.key).executeTakeFirst();
        return known ?? null;
      }),
    async answer(key, { status, body }) {
      await db.updateTable("webAnswers").set({ status, body }).where("key", "=", key).execute();
    },
    async release(key) {
      await db.deleteFrom("webAnswers").where("key", "=", key).execute();
    },
    async forget(now, answersBefore) {
      await db.deleteFrom("webGrants").where("expiresAt", "<=", now).execute();
      await db.deleteFrom("webAnswers").where("at", "<", answersBefore).execute();
    },
  };
}
