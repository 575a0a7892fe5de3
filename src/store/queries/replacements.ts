import type { ExpressionBuilder } from "kysely";
import type { ReplacementMembership, ReplacementStore } from "../../domain/replacement.ts";
import { changeSealed, isIntact, withSeal } from "../rowSeal.ts";
import { atomically, type Db, type Dialect, type Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { type EventWriter, eventStore } from "./events.ts";
import { lockCertificates } from "./lockCertificates.ts";

/** SQLite takes 32,766 parameters in one statement. */
const INSERT_ROWS_MAX = 1_000;

export function replacementStore(db: Db, dialect: Dialect, vault: Vault): ReplacementStore {
  return {
    create: (replacement, members) =>
      atomically(db, async (trx) => {
        await trx
          .insertInto("replacements")
          .values(withSeal(vault, "replacements", replacement))
          .execute();
        for (let from = 0; from < members.length; from += INSERT_ROWS_MAX) {
          await trx
            .insertInto("replacementMembers")
            .values(
              members
                .slice(from, from + INSERT_ROWS_MAX)
                .map((member) => withSeal(vault, "replacementMembers", member)),
            )
            .execute();
        }
      }),
    list: () =>
      db
        .selectFrom("replacements")
        .select(["id", "selection", "issuer", "deadline", "createdAt", "endedAt"])
        .orderBy("createdAt", "desc")
        .orderBy("id")
        .execute(),
    members: (replacement) =>
      db
        .selectFrom("replacementMembers")
        .select(["replacement", "certificate", "generation", "wave"])
        .where("replacement", "=", replacement)
        .orderBy("certificate")
        .execute(),
    of: async (certificate) => asMembership(db, { dialect, vault }, await openMemberships(db, certificate).execute()),
    async memberships() {
      const left = await leftByWave(db);
      const rows = await obeyed(db, { dialect, vault }, await open(db).execute());
      return rows.map((row) =>
        toMembership({ ...row, waitsFor: leftBefore(left.get(row.replacement) ?? [], row.wave) }),
      );
    },
    end: (replacement, at) =>
      changeSealed(db, vault, { table: "replacements", key: { id: replacement } }, async (trx) => {
        const { numUpdatedRows } = await trx
          .updateTable("replacements")
          .set({ endedAt: at })
          .where("id", "=", replacement)
          .where("endedAt", "is", null)
          .executeTakeFirst();
        return numUpdatedRows === 1n;
      }),
    async wakeNextWave(certificate, now) {
      const members = db
        .selectFrom("replacementMembers")
        .innerJoin("replacements", "replacements.id", "replacementMembers.replacement")
        .select(["replacement", "wave"])
        .where("endedAt", "is", null)
        .where("certificate", "=", certificate);
      for (const member of await members.execute()) await atomically(db, (trx) => wakeAfter(trx, dialect, member, now));
    },
  };
}

async function wakeAfter(
  db: Db,
  dialect: Dialect,
  { replacement, wave }: { replacement: string; wave: number },
  now: number,
) {
  const left = db
    .selectFrom("replacementMembers as earlier")
    .innerJoin("certificates", "certificates.name", "earlier.certificate")
    .where("earlier.replacement", "=", replacement)
    .where("certificates.removedAt", "is", null)
    .where(isLeft);
  const behind = await left.select("wave").where("wave", "<=", wave).limit(1).executeTakeFirst();
  if (behind !== undefined) return;
  const next = await left.select("wave").orderBy("wave").limit(1).executeTakeFirst();
  if (next === undefined) return;
  const members = db
    .selectFrom("replacementMembers")
    .select("certificate")
    .where("replacement", "=", replacement)
    .where("wave", "=", next.wave);
  await lockCertificates(
    db,
    dialect,
    (await members.execute()).map(({ certificate }) => certificate),
  );
  // One in flight has no next check: its end sets one.
  await db
    .updateTable("certificates")
    .set({ nextCheckAt: now })
    .where("nextCheckAt", ">", now)
    .where("removedAt", "is", null)
    .where("name", "in", members)
    .execute();
}

export const MEMBERSHIP_COLUMNS = [
  ...(["replacement", "certificate", "generation", "wave", "issuer", "deadline"] as const),
  ...(["selection", "createdAt", "endedAt", "seal", "memberSeal", "waitsFor"] as const),
] as const;

/** Of replacements that were not cancelled, the one that replaces the latest generation first. */
export function openMemberships(db: Db, certificate: string) {
  return open(db)
    .select((row) => earlierLeft(row).as("waitsFor"))
    .where("certificate", "=", certificate);
}

/** The first that renewd wrote. */
export async function asMembership(
  db: Db,
  writer: Omit<EventWriter, "worker">,
  rows: readonly (OpenMember & { readonly waitsFor: number | null })[],
): Promise<ReplacementMembership | null> {
  return (await obeyed(db, writer, rows)).map(toMembership)[0] ?? null;
}

function open(db: Db) {
  return db
    .selectFrom("replacementMembers as member")
    .innerJoin("replacements", "replacements.id", "member.replacement")
    .select(["replacement", "certificate", "generation", "wave", "issuer", "deadline"])
    .select(["selection", "createdAt", "endedAt", "replacements.seal", "member.seal as memberSeal"])
    .where("endedAt", "is", null)
    .orderBy("generation", "desc")
    .orderBy("deadline");
}

interface LeftInWave {
  readonly wave: number;
  readonly left: number;
}

/** As `earlierLeft` counts them, once for all members: their number is squared otherwise. */
async function leftByWave(db: Db): Promise<ReadonlyMap<string, readonly LeftInWave[]>> {
  const rows = await db
    .selectFrom("replacementMembers as earlier")
    .innerJoin("replacements", "replacements.id", "earlier.replacement")
    .innerJoin("certificates", "certificates.name", "earlier.certificate")
    .select(["earlier.replacement", "earlier.wave"])
    .select((row) => row.fn.countAll<number>().as("left"))
    .where("replacements.endedAt", "is", null)
    .where("certificates.removedAt", "is", null)
    .where(isLeft)
    .groupBy(["earlier.replacement", "earlier.wave"])
    .execute();
  return Map.groupBy(
    rows.map(({ left, ...row }) => ({ ...row, left: Number(left) })),
    ({ replacement }) => replacement,
  );
}

function leftBefore(waves: readonly LeftInWave[], wave: number): number {
  return waves.filter((earlier) => earlier.wave < wave).reduce((sum, { left }) => sum + left, 0);
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
    .where(isLeft);
}

/** No newer version is proved. */
function isLeft({
  not,
  exists,
  selectFrom,
}: ExpressionBuilder<Schema & { earlier: Schema["replacementMembers"] }, "earlier">) {
  return not(
    exists(
      selectFrom("versions")
        .select("versions.generation")
        .whereRef("versions.certificate", "=", "earlier.certificate")
        .whereRef("versions.generation", ">", "earlier.generation")
        .where("versions.verifiedAt", "is not", null),
    ),
  );
}

type OpenMember = Awaited<ReturnType<ReturnType<typeof open>["execute"]>>[number];

const CANCELLED_MAX = 10_000;

/** Those with seals that nobody has cancelled: a row of before, put back after that, has the seal that it had then. */
async function obeyed<Row extends OpenMember>(
  db: Db,
  { dialect, vault }: Omit<EventWriter, "worker">,
  rows: readonly Row[],
): Promise<Row[]> {
  const sealed = intact(vault, rows);
  if (sealed.length === 0) return [];
  const { list } = eventStore(db, { dialect, vault, worker: "" });
  const events = await list({ types: ["replacement.cancelled"], limit: CANCELLED_MAX, sealed: true });
  const cancelled = new Set(events.map(({ detail }) => detail.replacement));
  return sealed.filter(({ replacement }) => !cancelled.has(replacement));
}

/** Without the seals that `create` wrote nobody asked for the replacement. */
function intact<Row extends OpenMember>(vault: Vault, rows: readonly Row[]): Row[] {
  return rows.filter((row) => {
    const [replacement, member] = [
      { ...row, id: row.replacement },
      { ...row, seal: row.memberSeal },
    ];
    return isIntact(vault, "replacements", replacement) && isIntact(vault, "replacementMembers", member);
  });
}

function toMembership(row: OpenMember & { readonly waitsFor: number | null }): ReplacementMembership {
  const { replacement, certificate, generation, wave, issuer, deadline, waitsFor } = row;
  return { replacement, certificate, generation, wave, issuer, deadline, waitsFor: Number(waitsFor ?? 0) };
}
