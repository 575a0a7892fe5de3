import { type SqlBool, sql } from "kysely";
import { leaseUntilMax } from "../../domain/lease.ts";
import { ACTIVE_STATES, type RenewalState } from "../../domain/renewal.ts";
import type { DuePage, RenewalFilter } from "../../domain/store.ts";
import type { Db } from "../schema.ts";

/** All columns but the order's state. */
export const RENEWAL_COLUMNS = [
  "id",
  "certificate",
  "generation",
  "reason",
  "reasonDetail",
  "trigger",
  "state",
  "issuer",
  "fence",
  "leaseUntil",
  "priority",
  "digest",
  "issueDigest",
  "openClaims",
  "attempts",
  "retryAt",
  "nextActionAt",
  "createdAt",
  "finishedAt",
  "errorCode",
  "errorMessage",
] as const;

/** Literals, not parameters: a partial index is used only if the query text implies its condition. */
export const IS_ACTIVE = sql<SqlBool>`state in (${sql.join(ACTIVE_STATES.map((state) => sql.lit(state)))})`;

const ACTIVE: ReadonlySet<RenewalState> = new Set(ACTIVE_STATES);

/**
 * Exported so that a test can check its query plan. A claim sets both instants, so a lease taken under a wrong clock is
 * at the far end of the same index. Two searches, because SQLite uses no partial index for an OR.
 */
export function dueRenewals(db: Db, now: number, { limit, leaseMs, first }: DuePage) {
  const farAhead = leaseUntilMax(now, leaseMs);
  const active = db.selectFrom("renewals").select(RENEWAL_COLUMNS).where(IS_ACTIVE);
  const due = active
    .where("nextActionAt", "<=", now)
    .unionAll(active.where("nextActionAt", ">", farAhead).where("leaseUntil", ">", farAhead));
  return db
    .selectFrom(due.as("due"))
    .selectAll()
    .$if(first === "urgent", (query) => query.orderBy("priority"))
    .orderBy((row) => row("nextActionAt", "<=", now))
    .orderBy("nextActionAt")
    .orderBy("id")
    .limit(limit);
}

/** Newest first. */
export function listRenewals(db: Db, filter: RenewalFilter) {
  const { certificate, certificates, states, since, limit } = filter;
  if (certificates?.length === 0) return Promise.resolve([]);
  const onlyActive = states?.every((state) => ACTIVE.has(state)) === true;
  return (
    db
      .selectFrom("renewals")
      .select(RENEWAL_COLUMNS)
      .$if(certificate !== undefined, (query) => query.where("certificate", "=", certificate ?? ""))
      .$if(certificates !== undefined, (query) => query.where("certificate", "in", certificates ?? []))
      .$if(states !== undefined, (query) =>
        states?.length ? query.where("state", "in", states) : query.where(sql<SqlBool>`1 = 0`),
      )
      .$if(onlyActive, (query) => query.where(IS_ACTIVE))
      .$if(since !== undefined, (query) => query.where("createdAt", ">=", since ?? 0))
      // Few are active, however many there were: sorting them reads less than all renewals in the order of an index.
      .orderBy(onlyActive ? sql`coalesce(created_at, 0)` : "createdAt", "desc")
      .orderBy("id", "desc")
      .limit(limit)
      .execute()
  );
}
