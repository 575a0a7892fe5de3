import { type Expression, type RawBuilder, sql } from "kysely";
import { jsonArrayFrom } from "kysely/helpers/postgres";
import type { Renewal } from "../../domain/renewal.ts";
import type { DeployFacts, PlanningFacts, RenewalFacts } from "../../domain/store.ts";
import { type Db, type Dialect, isPostgresql } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { oneRowOnce } from "./compiledOnce.ts";
import { asDeployment, DEPLOYMENT_COLUMNS } from "./deployments.ts";
import { intactStatuses, OBSERVATION_COLUMNS, observedAt, STATUS_COLUMNS } from "./observations.ts";
import { asRenewalInfo, RENEWAL_INFO_COLUMNS } from "./renewalInfos.ts";
import { IS_ACTIVE, RENEWAL_COLUMNS } from "./renewalLists.ts";
import { asMembership, MEMBERSHIP_COLUMNS, openMemberships } from "./replacements.ts";
import { openKey, toVersion, VERSION_COLUMNS } from "./versions.ts";

const RECORD_COLUMNS = ["digest", "removedAt"] as const;

/**
 * Every step of a renewal asks for these, some twice: one statement instead of five, and all of it of one instant. Each
 * table's rows come as a JSON array. Of the versions only those that a renewal can depend on: its own, the one before,
 * and what a target holds.
 */
export async function renewalFacts(db: Db, vault: Vault, of: Of): Promise<RenewalFacts> {
  return toFacts(vault, of, await askFacts(db, of));
}

/** Likewise, with the key and what earlier looks have seen. */
export async function deployFacts(db: Db, vault: Vault, of: Of): Promise<DeployFacts> {
  const { certificate, generation } = of;
  const { sealedKey, observed, ...found } = await askDeployFacts(db, of);
  return {
    ...toFacts(vault, of, found),
    privateKey: () => openKey(vault, { certificate, generation, sealedKey }),
    observed: observedAt(vault, parsed(observed)),
  };
}

type Of = Pick<Renewal, "certificate" | "generation">;

function factsOf(db: Db, { certificate, generation }: Of) {
  const rows = rowsAsJson(db);
  return db.selectNoFrom((select) => [
    rows(RECORD_COLUMNS, select.selectFrom("certificates").select(RECORD_COLUMNS).where("name", "=", certificate)).as(
      "records",
    ),
    rows(
      VERSION_COLUMNS,
      select
        .selectFrom("versions")
        .select(VERSION_COLUMNS)
        .where("certificate", "=", certificate)
        .where("generation", "in", (inner) =>
          inner
            .selectFrom("versions as earlier")
            .select((row) => row.fn.max<number>("earlier.generation").as("generation"))
            .where("earlier.certificate", "=", certificate)
            .where("earlier.generation", "<", generation)
            .unionAll(
              inner
                .selectFrom("deployments")
                .select("deployedGeneration as generation")
                .where("certificate", "=", certificate),
            )
            .unionAll(db.selectNoFrom((row) => row.val(generation).as("generation"))),
        )
        .orderBy("generation", "desc"),
    ).as("versions"),
    rows(DEPLOYMENT_COLUMNS, deploymentsOf(db, certificate)).as("deployments"),
    rows(STATUS_COLUMNS, statusesOf(db, certificate)).as("statuses"),
    select
      .selectFrom("versions as newest")
      .select((row) => row.fn.max<number | null>("newest.generation").as("generation"))
      .where("newest.certificate", "=", certificate)
      .as("latestGeneration"),
    select
      .selectFrom("replacementMembers")
      .innerJoin("replacements", "replacements.id", "replacement")
      .select((row) => row.fn.countAll().as("members"))
      .where("endedAt", "is", null)
      .where("certificate", "=", certificate)
      .as("memberships"),
  ]);
}

const askFacts = oneRowOnce(["certificate", "generation"], factsOf);

const askDeployFacts = oneRowOnce(["certificate", "generation"], (db, of: Of) =>
  factsOf(db, of).select((select) => [
    select
      .selectFrom("versions as own")
      .select("own.sealedKey")
      .where("own.certificate", "=", of.certificate)
      .where("own.generation", "=", of.generation)
      .as("sealedKey"),
    rowsAsJson(db)(
      OBSERVATION_COLUMNS,
      select.selectFrom("observations").select(OBSERVATION_COLUMNS).where("certificate", "=", of.certificate),
    ).as("observed"),
  ]),
);

type Found = Awaited<ReturnType<typeof askFacts>>;

function toFacts(vault: Vault, { generation }: Of, found: Found): RenewalFacts {
  const versions = parsed(found.versions);
  const deployments = parsed(found.deployments);
  const inspections = deployments.flatMap(({ nextInspectionAt }) => nextInspectionAt ?? []);
  const read = (row: (typeof versions)[number] | undefined) => (row === undefined ? null : toVersion(vault, row));
  return {
    record: parsed(found.records)[0] ?? null,
    version: (asked) => read(versions.find((row) => row.generation === asked)),
    before: () => read(versions.find((row) => row.generation < generation)),
    deployments: deployments.map((row) => asDeployment(vault, row)),
    endpoints: intactStatuses(vault, parsed(found.statuses)),
    inspectionAt: inspections.length === 0 ? null : Math.max(...inspections),
    latestGeneration: found.latestGeneration,
    isReplaced: Number(found.memberships) > 0,
  };
}

/** What decides whether a certificate is renewed, likewise. */
export async function planningFacts(
  db: Db,
  { dialect, vault }: { readonly dialect: Dialect; readonly vault: Vault },
  certificate: string,
): Promise<PlanningFacts> {
  const found = await askPlanningFacts(db, { certificate });
  const [version] = parsed(found.versions);
  const [renewalInfo] = parsed(found.renewalInfos);
  return {
    version: version === undefined ? null : toVersion(vault, version),
    replacement: await asMembership(db, { dialect, vault }, parsed(found.memberships)),
    renewalInfo: renewalInfo === undefined ? null : asRenewalInfo(vault, renewalInfo),
    active: parsed(found.active)[0] ?? null,
    deployments: parsed(found.deployments).map((row) => asDeployment(vault, row)),
    endpoints: intactStatuses(vault, parsed(found.statuses)),
  };
}

const askPlanningFacts = oneRowOnce(["certificate"], (db, { certificate }: { readonly certificate: string }) => {
  const rows = rowsAsJson(db);
  return db.selectNoFrom((select) => [
    rows(
      VERSION_COLUMNS,
      select
        .selectFrom("versions")
        .select(VERSION_COLUMNS)
        .where("certificate", "=", certificate)
        .orderBy("generation", "desc")
        .limit(1),
    ).as("versions"),
    rows(MEMBERSHIP_COLUMNS, openMemberships(db, certificate)).as("memberships"),
    rows(
      RENEWAL_INFO_COLUMNS,
      select.selectFrom("renewalInfos").select(RENEWAL_INFO_COLUMNS).where("certificate", "=", certificate),
    ).as("renewalInfos"),
    rows(
      RENEWAL_COLUMNS,
      select.selectFrom("renewals").select(RENEWAL_COLUMNS).where("certificate", "=", certificate).where(IS_ACTIVE),
    ).as("active"),
    rows(DEPLOYMENT_COLUMNS, deploymentsOf(db, certificate)).as("deployments"),
    rows(STATUS_COLUMNS, statusesOf(db, certificate)).as("statuses"),
  ]);
});

const deploymentsOf = (db: Db, certificate: string) =>
  db.selectFrom("deployments").select(DEPLOYMENT_COLUMNS).where("certificate", "=", certificate).orderBy("target");

const statusesOf = (db: Db, certificate: string) =>
  db.selectFrom("endpointStatuses").select(STATUS_COLUMNS).where("certificate", "=", certificate).orderBy("endpoint");

function rowsAsJson(db: Db): typeof sqliteJson {
  return isPostgresql(db) ? postgresqlJson : sqliteJson;
}

/** Boundary: SQLite gives JSON as text, under the names of `schema.ts`; PostgreSQL's driver has parsed it. */
function parsed<Row>(rows: readonly Row[]): readonly Row[] {
  return typeof rows === "string" ? JSON.parse(rows) : rows;
}

/**
 * Rows as a JSON array. SQLite would refuse all rows for one that holds bytes, which renewd writes nowhere here: read as
 * hexadecimal digits, they only break the seal of their own row.
 */
function sqliteJson<Row>(columns: readonly (keyof Row & string)[], query: Expression<Row>): RawBuilder<Row[]> {
  const members = columns.flatMap((name) => {
    const value = sql.ref(`row.${name}`);
    return [sql.lit(name), sql`iif(typeof(${value}) = 'blob', hex(${value}), ${value})`];
  });
  return sql`(select coalesce(json_group_array(json_object(${sql.join(members)})), '[]') from ${query} as row)`;
}

function postgresqlJson<Row>(_: readonly (keyof Row & string)[], query: Expression<Row>): RawBuilder<Row[]> {
  return sql`${jsonArrayFrom(query)}`;
}
