import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

/**
 * What the history is searched and counted by, so that no page reads a whole table. JSON is indexed on SQLite only:
 * there a damaged row can be left out of an index, and reading many rows would keep renewd's own process busy.
 */
export function searchIndexes(dialect: Dialect): Migration {
  return {
    async up(db: Kysely<unknown>) {
      // With what is counted beside it. An index that began with the state would be taken for what is due, and read
      // more.
      await sql`drop index renewals_by_age`.execute(db);
      await sql`create index renewals_by_age on renewals (created_at, id, state, trigger)`.execute(db);
      await sql`create index renewals_by_error on renewals (error_code) where error_code is not null`.execute(db);
      await sql`create index events_by_target on events (target, seq, type, renewal_id) where target is not null`.execute(
        db,
      );
      await sql`create index versions_by_issuer on versions (issuer, certificate, generation)`.execute(db);
      await sql`create index certificates_removed on certificates (removed_at) where removed_at is not null`.execute(
        db,
      );
      const position = sql.raw(dialect === "sqlite" ? "instr" : "strpos");
      await sql`create index events_by_people on events (type, renewal_id) where ${position}(detail, '"by":"')
        + ${position}(detail, '"requestedBy":"') + ${position}(detail, '(by ') > 0`.execute(db);
      if (dialect === "sqlite") await indexJson(db);
    },
  };
}

async function indexJson(db: Kysely<unknown>): Promise<void> {
  await sql`create index versions_by_name on versions (lower(json_extract(leaf, '$.identifiers')), certificate)`.execute(
    db,
  );
  await sql`create index versions_by_fingerprint on versions (json_extract(leaf, '$.fingerprint'), certificate)`.execute(
    db,
  );
  await sql`create index events_by_issuer on events
    (iif(json_valid(detail), json_extract(detail, '$.issuer'), null), renewal_id)
    where type in ('issue.started')`.execute(db);
  const code = sql`iif(json_valid(detail), json_extract(detail, '$.code'), null)`;
  await sql`create index events_by_code on events (${code}, renewal_id) where ${code} is not null`.execute(db);
}
