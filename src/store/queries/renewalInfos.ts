import type { Selectable, Updateable } from "kysely";
import type { RenewalInfoRecord } from "../../domain/renewalInfo.ts";
import type { RenewalInfoStore } from "../../domain/store.ts";
import { isIntact, SEALED, sealReturned, withSeal } from "../rowSeal.ts";
import { atomically, type Db, isPostgresql, type Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";

/** What the CA said; it was never asked. */
const UNKNOWN = { windowStart: null, windowEnd: null, renewAt: null, explanationUrl: null, polledAt: null } as const;
/** What a row starts with that somebody else wrote. */
const NOTHING = { ...UNKNOWN, overdueInRow: 0, orderedAt: null } as const;

const SEALED_COLUMNS: ReadonlySet<string> = new Set(SEALED.renewalInfos.columns);

export const RENEWAL_INFO_COLUMNS = [
  ...SEALED.renewalInfos.key,
  ...SEALED.renewalInfos.columns,
  ...(["nextPollAt", "failures", "errorCode", "errorMessage", "seal"] as const),
] as const;

export function asRenewalInfo(vault: Vault, row: Selectable<Schema["renewalInfos"]>): RenewalInfoRecord {
  const { seal: _, ...record } = row;
  return isIntact(vault, "renewalInfos", row) ? record : { ...record, ...NOTHING };
}

export function renewalInfoStore(db: Db, vault: Vault): RenewalInfoStore {
  const toRecord = (row: Selectable<Schema["renewalInfos"]>): RenewalInfoRecord => asRenewalInfo(vault, row);
  const all = async (query: { execute(): Promise<Selectable<Schema["renewalInfos"]>[]> }) =>
    (await query.execute()).map(toRecord);
  const find = (from: Db, certificate: string) =>
    from.selectFrom("renewalInfos").selectAll().where("certificate", "=", certificate).executeTakeFirst();
  const write = async (
    to: Db,
    { certificate, generation }: Pick<RenewalInfoRecord, "certificate" | "generation">,
    columns: Updateable<Schema["renewalInfos"]>,
  ): Promise<boolean> => {
    const result = await to
      .updateTable("renewalInfos")
      .set({ generation, ...columns })
      .where("certificate", "=", certificate)
      .where("generation", "=", generation)
      .executeTakeFirst();
    return result.numUpdatedRows === 1n;
  };
  return {
    watch: (certificate, generation, now) =>
      atomically(db, async (trx) => {
        const row = { generation, ...UNKNOWN, nextPollAt: now, failures: 0, errorCode: null, errorMessage: null };
        const before = await find(trx, certificate);
        const isKept = before !== undefined && isIntact(vault, "renewalInfos", before);
        const { overdueInRow, orderedAt } = isKept ? before : NOTHING;
        const values = withSeal(vault, "renewalInfos", { certificate, overdueInRow, orderedAt, ...row });
        const stored = await trx
          .insertInto("renewalInfos")
          .values(values)
          .onConflict((conflict) =>
            conflict.column("certificate").doUpdateSet({ ...row, seal: values.seal, ...(!isKept && NOTHING) }),
          )
          .returningAll()
          .executeTakeFirstOrThrow();
        // The seal is over what was read before: on PostgreSQL another process may have polled in between.
        if (!isIntact(vault, "renewalInfos", stored))
          await sealReturned(trx, vault, { table: "renewalInfos", key: { certificate } }, stored);
      }),
    async get(certificate) {
      const row = await find(db, certificate);
      return row === undefined ? null : toRecord(row);
    },
    list(names) {
      const query = db.selectFrom("renewalInfos").selectAll().orderBy("certificate");
      return all(names === undefined ? query : query.where("certificate", "in", names));
    },
    due: (now, limit) => all(dueRenewalInfos(db, now, limit)),
    async update(certificate, generation, patch) {
      const of = { certificate, generation };
      if (!Object.keys(patch).some((column) => SEALED_COLUMNS.has(column))) return write(db, of, patch);
      return atomically(db, async (trx) => {
        // Locked, so that the seal is over the row that is written. An SQLite transaction is the only writer.
        const query = trx.selectFrom("renewalInfos").selectAll().where("certificate", "=", certificate);
        const before = await (isPostgresql(trx) ? query.forUpdate() : query).executeTakeFirst();
        if (before?.generation !== generation) return false;
        // An altered row must not pass on what it holds.
        const known = isIntact(vault, "renewalInfos", before) ? {} : NOTHING;
        const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
        const { seal } = withSeal(vault, "renewalInfos", { ...before, ...known, ...given });
        return write(trx, of, { ...known, ...given, seal });
      });
    },
  };
}

function dueRenewalInfos(db: Db, now: number, limit: number) {
  return db.selectFrom("renewalInfos").selectAll().where("nextPollAt", "<=", now).orderBy("nextPollAt").limit(limit);
}
