import type { CampaignStore } from "../domain/campaign.ts";
import { atomically, type Db } from "./schema.ts";

/** SQLite takes 32,766 parameters in one statement. */
const INSERT_ROWS_MAX = 1_000;

export function campaignStore(db: Db): CampaignStore {
  return {
    create: (campaign, members) =>
      atomically(db, async (trx) => {
        await trx.insertInto("campaigns").values(campaign).execute();
        for (let from = 0; from < members.length; from += INSERT_ROWS_MAX) {
          await trx
            .insertInto("campaignMembers")
            .values(members.slice(from, from + INSERT_ROWS_MAX))
            .execute();
        }
      }),
    list: () => db.selectFrom("campaigns").selectAll().orderBy("createdAt", "desc").orderBy("id").execute(),
    members: (campaign) => db.selectFrom("campaignMembers").selectAll().where("campaign", "=", campaign).orderBy("certificate").execute(),
    async of(certificate) {
      return (await open(db).where("certificate", "=", certificate).limit(1).executeTakeFirst()) ?? null;
    },
    memberships: () => open(db).execute(),
    async end(campaign, at) {
      await db.updateTable("campaigns").set({ endedAt: at }).where("id", "=", campaign).where("endedAt", "is", null).execute();
    },
  };
}

function open(db: Db) {
  return db
    .selectFrom("campaignMembers")
    .innerJoin("campaigns", "campaigns.id", "campaignMembers.campaign")
    .select(["campaign", "certificate", "generation", "issuer", "deadline"])
    .where("endedAt", "is", null)
    .orderBy("generation", "desc")
    .orderBy("deadline");
}
