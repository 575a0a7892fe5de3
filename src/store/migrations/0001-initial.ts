import { type ColumnDefinitionBuilder, type Kysely, type RawBuilder, sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { Dialect } from "../schema.ts";

type Column = (column: ColumnDefinitionBuilder) => ColumnDefinitionBuilder;
/** A migration outlives the schema it created, so it uses no table type. */
type Tables = Kysely<unknown>;

const required: Column = (column) => column.notNull();
const zero: Column = (column) => column.notNull().defaultTo(0);
/** `ACTIVE_STATES` when this migration was written. Queries must name the same list to use the partial indexes. */
const ACTIVE = sql<boolean>`state in ('planned', 'issuing', 'deploying', 'verifying')`;

export function initial(dialect: Dialect): Migration {
  // Names sort by bytes in SQLite; PostgreSQL uses the server's language by default.
  const name = dialect === "sqlite" ? "text" : sql`text collate "C"`;
  return {
    async up(db: Tables) {
      await createCertificates(db, name);
      await createVersions(db, name);
      await createRenewals(db, name);
      await createDeployments(db, name);
      await createObservations(db, name);
      await createEvents(db, name, dialect);
      await (dialect === "sqlite" ? guardEventsInSqlite(db) : guardEventsInPostgresql(db));
      await createKeyed(db, name);
    },
  };
}

type Name = "text" | RawBuilder<unknown>;

async function createCertificates(db: Tables, name: Name): Promise<void> {
  await db.schema
    .createTable("certificates")
    .addColumn("name", name, (column) => column.primaryKey().notNull())
    .addColumn("digest", "text", required)
    .addColumn("next_check_at", "bigint")
    .addColumn("failures", "bigint", zero)
    .addColumn("next_attempt_at", "bigint")
    .addColumn("last_error_code", "text")
    .addColumn("last_error_message", "text")
    .addColumn("paused_at", "bigint")
    .addColumn("paused_until", "bigint")
    .addColumn("paused_reason", "text")
    .addColumn("removed_at", "bigint")
    .execute();
  await db.schema.createIndex("certificates_next_check_at").on("certificates").column("next_check_at").execute();
}

async function createVersions(db: Tables, name: Name): Promise<void> {
  await db.schema
    .createTable("versions")
    .addColumn("certificate", name, required)
    .addColumn("generation", "bigint", required)
    .addColumn("issuer", "text", required)
    .addColumn("leaf", "text", required)
    .addColumn("leaf_pem", "text", required)
    .addColumn("chain_pem", "text", required)
    .addColumn("key_type", "text", required)
    .addColumn("created_at", "bigint", required)
    .addColumn("verified_at", "bigint")
    .addColumn("sealed_key", "text", required)
    .addPrimaryKeyConstraint("versions_pk", ["certificate", "generation"])
    .execute();
}

async function createRenewals(db: Tables, name: Name): Promise<void> {
  await db.schema
    .createTable("renewals")
    .addColumn("id", name, (column) => column.primaryKey().notNull())
    .addColumn("certificate", name, required)
    .addColumn("generation", "bigint", required)
    .addColumn("reason", "text", required)
    .addColumn("reason_detail", "text", required)
    .addColumn("trigger", "text", required)
    .addColumn("state", "text", required)
    .addColumn("fence", "bigint", zero)
    .addColumn("lease_until", "bigint")
    .addColumn("priority", "bigint", required)
    .addColumn("digest", "text", required)
    .addColumn("open_claims", "bigint", zero)
    .addColumn("attempts", "bigint", zero)
    .addColumn("retry_at", "bigint")
    .addColumn("next_action_at", "bigint")
    .addColumn("created_at", "bigint", required)
    .addColumn("finished_at", "bigint")
    .addColumn("error_code", "text")
    .addColumn("error_message", "text")
    .addColumn("sealed_key", "text")
    .addColumn("order_url", "text")
    .addColumn("csr", "text")
    .execute();
  await db.schema
    .createIndex("renewals_one_active")
    .on("renewals")
    .column("certificate")
    .unique()
    .where(ACTIVE)
    .execute();
  await db.schema.createIndex("renewals_due").on("renewals").column("next_action_at").where(ACTIVE).execute();
  await db.schema
    .createIndex("renewals_by_certificate")
    .on("renewals")
    .columns(["certificate", "created_at"])
    .execute();
  await db.schema.createIndex("renewals_by_age").on("renewals").columns(["created_at", "id"]).execute();
}

async function createDeployments(db: Tables, name: Name): Promise<void> {
  await db.schema
    .createTable("deployments")
    .addColumn("certificate", name, required)
    .addColumn("target", name, required)
    .addColumn("wanted_generation", "bigint", required)
    .addColumn("deployed_generation", "bigint", zero)
    .addColumn("deployed_at", "bigint")
    .addColumn("fence", "bigint", zero)
    .addColumn("lease_until", "bigint")
    .addColumn("open_claims", "bigint", zero)
    .addColumn("attempts", "bigint", zero)
    .addColumn("next_attempt_at", "bigint")
    .addColumn("exhausted", "bigint", zero)
    .addColumn("error_code", "text")
    .addColumn("error_message", "text")
    .addColumn("receipt", "text")
    .addPrimaryKeyConstraint("deployments_pk", ["certificate", "target"])
    .execute();
}

async function createObservations(db: Tables, name: Name): Promise<void> {
  await db.schema
    .createTable("endpoint_statuses")
    .addColumn("certificate", name, required)
    .addColumn("endpoint", name, required)
    .addColumn("generation", "bigint", required)
    .addColumn("proved", "bigint", required)
    .addColumn("round_ended_at", "bigint")
    .addColumn("error_code", "text")
    .addColumn("error_message", "text")
    .addPrimaryKeyConstraint("endpoint_statuses_pk", ["certificate", "endpoint"])
    .execute();
  await db.schema
    .createTable("observations")
    .addColumn("certificate", name, required)
    .addColumn("endpoint", name, required)
    .addColumn("address", name, required)
    .addColumn("body", "text", required)
    .addPrimaryKeyConstraint("observations_pk", ["certificate", "endpoint", "address"])
    .addForeignKeyConstraint(
      "observations_status",
      ["certificate", "endpoint"],
      "endpoint_statuses",
      ["certificate", "endpoint"],
      (key) => key.onDelete("cascade"),
    )
    .execute();
}

async function createEvents(db: Tables, name: Name, dialect: Dialect): Promise<void> {
  await db.schema
    .createTable("events")
    .$call((table) =>
      dialect === "sqlite"
        ? table.addColumn("seq", "integer", (column) => column.primaryKey().autoIncrement())
        : // "by default", not "always": a copied history keeps its numbers.
          table.addColumn("seq", "bigint", (column) => column.primaryKey().generatedByDefaultAsIdentity()),
    )
    .addColumn("at", "bigint", required)
    .addColumn("type", "text", required)
    .addColumn("certificate", name)
    .addColumn("renewal_id", name)
    .addColumn("target", name)
    .addColumn("worker", "text", required)
    .addColumn("detail", "text", required)
    .execute();
  await db.schema.createIndex("events_by_certificate").on("events").columns(["certificate", "seq"]).execute();
  await db.schema.createIndex("events_by_renewal").on("events").columns(["renewal_id", "seq"]).execute();
  await db.schema.createIndex("events_by_time").on("events").column("at").execute();
}

async function guardEventsInSqlite(db: Tables): Promise<void> {
  for (const action of ["update", "delete"]) {
    await sql`create trigger ${sql.ref(`events_no_${action}`)} before ${sql.raw(action)} on events
      begin select raise(abort, 'events are append-only'); end`.execute(db);
  }
}

async function guardEventsInPostgresql(db: Tables): Promise<void> {
  await sql`create function renewd_refuse_change() returns trigger language plpgsql as
    $$ begin raise exception 'events are append-only'; end $$`.execute(db);
  await sql`create trigger events_append_only before update or delete or truncate on events
    for each statement execute function renewd_refuse_change()`.execute(db);
}

/** The tables that are looked up by their key alone. */
async function createKeyed(db: Tables, name: Name): Promise<void> {
  await db.schema
    .createTable("challenges")
    .addColumn("token", name, (column) => column.primaryKey().notNull())
    .addColumn("key_authorization", "text", required)
    .addColumn("expires_at", "bigint", required)
    .execute();
  await db.schema.createIndex("challenges_by_expiry").on("challenges").column("expires_at").execute();
  await db.schema
    .createTable("accounts")
    .addColumn("issuer", name, required)
    .addColumn("directory", name, required)
    .addColumn("url", "text")
    .addColumn("sealed_key", "text", required)
    .addPrimaryKeyConstraint("accounts_pk", ["issuer", "directory"])
    .execute();
  await db.schema
    .createTable("meta")
    .addColumn("name", name, (column) => column.primaryKey().notNull())
    .addColumn("value", "text", required)
    .execute();
}
