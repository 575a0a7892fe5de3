import { sql } from "kysely";
import { RenewalError } from "../../domain/errors.ts";
import type { Database } from "../database.ts";

/**
 * Throws `request.invalid` while other renewd processes have the database open or a worker holds a lease. Workers are
 * quiet for days between renewals, so leases alone do not show that they run. `now` in ms since epoch.
 */
export async function refuseUsed(database: Database, now: number): Promise<void> {
  const users = database.dialect === "sqlite" ? await isOpenElsewhere(database) : await hasOtherSessions(database);
  const leases = users ? 0 : await liveLeases(database, now);
  if (!users && leases === 0) return;
  const why = users
    ? "other renewd processes have it open"
    : `${leases} lease${leases === 1 ? " is" : "s are"} held by workers`;
  throw new RenewalError(
    "request.invalid",
    `the source ${database.where} is in use (${why}): stop every worker first; --force copies all the same`,
  );
}

/** Leaving WAL mode fails while any other connection exists, even an idle one (sqlite.org/wal.html). */
async function isOpenElsewhere({ db }: Database): Promise<boolean> {
  try {
    await sql`pragma journal_mode = delete`.execute(db);
    await sql`pragma journal_mode = wal`.execute(db);
    return false;
  } catch (thrown) {
    if (thrown instanceof RenewalError && thrown.code === "store.unavailable") return true;
    throw thrown;
  }
}

/** Sessions of our name, or of the name the connection URL gives them. */
async function hasOtherSessions({ db }: Database): Promise<boolean> {
  const { rows } = await sql<object>`select 1 as found from pg_stat_activity where datname = current_database()
    and usename = current_user and application_name = current_setting('application_name') and pid <> pg_backend_pid() limit 1`.execute(
    db,
  );
  return rows.length > 0;
}

async function liveLeases({ db }: Database, now: number): Promise<number> {
  const count = async (table: "renewals" | "deployments"): Promise<number> => {
    const { leases } = await db
      .selectFrom(table)
      .select((column) => column.fn.countAll<number>().as("leases"))
      .where("leaseUntil", ">", now)
      .executeTakeFirstOrThrow();
    return Number(leases);
  };
  return (await count("renewals")) + (await count("deployments"));
}
