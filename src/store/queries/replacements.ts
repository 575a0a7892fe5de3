import type { ExpressionBuilder } from "kysely";
import type { ReplacementMembership, ReplacementStore } from "../../domain/replacement.ts";
import { atomically, type Db, type Schema } from "../schema.ts";

/** SQLite takes 32,766 parameters in one statement. */
const INSERT_ROWS_MAX = 1_000;

export function replacementStore(db: Db): ReplacementStore {
  return {
    create: (replacement, members) =>
      atomically(db, async (trx) => {
        await trx.insertInto("replacements").values(replacement).execute();
        for (let from = 0; from < members.length; from += INSERT_ROWS_MAX) {
          await trx
            .insertInto("replacementMembers")
            .values(members.slice(from, from + INSERT_ROWS_MAX))
            .execute();
        }
      }),
    list: () => db.selectFrom("replacements").selectAll().orderBy("createdAt", "desc").orderBy("id").execute(),
    members: (replacement) =>
      db
        .selectFrom("replacementMembers")
        .selectAll()
        .where("replacement", "=", replacement)
        .orderBy("certificate")
        .execute(),
    async of(certificate) {
      const found = await open(db).where("certificate", "=", certificate).limit(1).executeTakeFirst();
      return found === undefined ? null : membership(found);
    },
    async memberships() {
      return (await open(db).execute()).map(membership);
    },
    async end(replacement, at) {
      await db
        .updateTable("replacements")
        .set({ endedAt: at })
        .where("id", "=", replacement)
        .where("endedAt", "is", null)
        .execute();
    },
  };
}

function open(db: Db) {
  return db
    .selectFrom("replacementMembers as member")
    .innerJoin("replacements", "replacements.id", "member.replacement")
    .select(["replacement", "certificate", "generation", "wave", "issuer", "deadline"])
    .select((row) => earlierLeft(row).as("waitsFor"))
    .where("endedAt", "is", null)
    .orderBy("generation", "desc")
    .orderBy("deadline");
}

/** Members of earlier waves that are not done. A member that left the configuration does not count. */
function earlierLeft(row: ExpressionBuilder<Schema & { member: Schema["replacementMembers"] }, "member">) {
  return row
    .selectFrom("replacementMembers as earlier")
    .innerJoin("certificates", "certificates.name", "earlier.certificate")
    .select((count) => count.fn.countAll<number>().as("left"))
    .whereRef("earlier.replacement", "=", "member.replacement")
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

function membership(
  row: Omit<ReplacementMembership, "waitsFor"> & { readonly waitsFor: number | null },
): ReplacementMembership {
  return { ...row, waitsFor: Number(row.waitsFor ?? 0) };
}
