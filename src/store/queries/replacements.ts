import type { ExpressionBuilder } from "kysely";
import type { CampaignStore, Membership } from "../../domain/replacement.ts";
import { atomically, type Db, type Schema } from "../schema.ts";

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
      const found = await open(db).where("certificate", "=", certificate).limit(1).executeTakeFirst();
      return found === undefined ? null : membership(found);
    },
    async memberships() {
      return (await open(db).execute()).map(membership);
    },
    async end(campaign, at) {
      await db.updateTable("campaigns").set({ endedAt: at }).where("id", "=", campaign).where("endedAt", "is", null).execute();
    },
  };
}

function open(db: Db) {
  return db
    .selectFrom("campaignMembers as member")
    .innerJoin("campaigns", "campaigns.id", "member.campaign")
    .select(["campaign", "certificate", "generation", "wave", "issuer", "deadline"])
    .select((row) => earlierLeft(row).as("waitsFor"))
    .where("endedAt", "is", null)
    .orderBy("generation", "desc")
    .orderBy("deadline");
}

/** As `CampaignMember` is done; one that left the configuration is waited for by nobody. */
function earlierLeft(row: ExpressionBuilder<Schema & { member: Schema["campaignMembers"] }, "member">) {
  return row
    .selectFrom("campaignMembers as earlier")
    .innerJoin("certificates", "certificates.name", "earlier.certificate")
    .select((count) => count.fn.countAll<number>().as("left"))
    .whereRef("earlier.campaign", "=", "member.campaign")
    .whereRef("earlier.wave", "<", "member.wave")
    .where("certificates.removedAt", "is", null)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("versions")
            .select("versions.generation")
            .whereRef("versions.certificate", "=", "earlier.certificate")
            .whereRef("versions.generation", ">", "earlier.generation")
            .where("versions.verifiedAt", "is not", null),
        ),
      ),
    );
}

function membership(row: Omit<Membership, "waitsFor"> & { readonly waitsFor: number | null }): Membership {
  return { ...row, waitsFor: Number(row.waitsFor ?? 0) };
}
