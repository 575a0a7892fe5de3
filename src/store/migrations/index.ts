import { sql } from "kysely";
import { type Migration, Migrator } from "kysely/migration";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import type { Db, Dialect } from "../schema.ts";
import type { Vault } from "../vault.ts";
import { initial } from "./0001-initial.ts";
import { restored } from "./0002-restored.ts";
import { budgetsAndCampaigns } from "./0003-budgets-and-campaigns.ts";
import { renewalInfos } from "./0004-renewal-infos.ts";
import { ordersAndAccounts } from "./0005-orders-and-accounts.ts";
import { wavesAndTelling } from "./0006-waves-and-telling.ts";
import { rehearsalsAndCrls } from "./0007-rehearsals-and-crls.ts";
import { sealedHistory } from "./0008-sealed-history.ts";
import { expiryWarnings } from "./0009-expiry-warnings.ts";
import { replacementWaves } from "./0010-replacement-waves.ts";
import { replacementNames } from "./0011-replacement-names.ts";
import { evidence } from "./0012-evidence.ts";
import { issuerDirectories } from "./0013-issuer-directories.ts";
import { planningFailures } from "./0013-planning-failures.ts";
import { targetDigests } from "./0013-target-digests.ts";
import { rowSeals } from "./0014-sealed-rows.ts";
import { inspections } from "./0015-inspections.ts";
import { renewalInfoDoubts } from "./0016-renewal-info-doubts.ts";
import { retention } from "./0017-retention.ts";
import { sealedStates } from "./0018-sealed-states.ts";
import { health } from "./0019-health.ts";
import { dns } from "./0021-dns.ts";
import { leftTargets } from "./0024-left-targets.ts";
import { sealedHealth } from "./0025-sealed-health.ts";
import { webAccess } from "./0026-web-access.ts";
import { totals } from "./0027-totals.ts";
import { alerts } from "./0028-alerts.ts";
import { searchIndexes } from "./0029-search-indexes.ts";
import { sealedPriorities } from "./0030-sealed-priorities.ts";
import { eventsOfACertificate } from "./0031-events-of-a-certificate.ts";
import { watched } from "./0032-watched.ts";
import { inventory } from "./0033-inventory.ts";
import { drills } from "./0034-drills.ts";
import { dnsClients } from "./0036-dns-clients.ts";
import { nameServerTotals } from "./0039-name-server-totals.ts";
import { horizon } from "./0042-horizon.ts";
import { certificateDefinitions } from "./0043-certificate-definitions.ts";
import { vantages } from "./0044-vantages.ts";
import { peersAndExercises } from "./0045-peers-and-exercises.ts";
import { appliedCertificates } from "./0048-applied-certificates.ts";
import { steadyParts } from "./0049-steady-parts.ts";
import { generationFloors } from "./0050-generation-floors.ts";
import { steadySums } from "./0051-steady-sums.ts";

/** In order; a released migration never changes. */
const MIGRATIONS: Readonly<Record<string, (dialect: Dialect, vault: Vault) => Migration>> = {
  "0001-initial": initial,
  "0002-restored": restored,
  "0003-budgets-and-campaigns": budgetsAndCampaigns,
  "0004-renewal-infos": renewalInfos,
  "0005-orders-and-accounts": ordersAndAccounts,
  "0006-waves-and-telling": wavesAndTelling,
  "0007-rehearsals-and-crls": rehearsalsAndCrls,
  "0008-sealed-history": sealedHistory,
  "0009-expiry-warnings": expiryWarnings,
  "0010-replacement-waves": replacementWaves,
  "0011-replacement-names": replacementNames,
  "0012-evidence": evidence,
  "0013-issuer-directories": issuerDirectories,
  "0013-planning-failures": planningFailures,
  "0013-target-digests": targetDigests,
  "0014-sealed-rows": (_, vault) => rowSeals(vault),
  "0015-inspections": inspections,
  "0016-renewal-info-doubts": renewalInfoDoubts,
  "0017-retention": retention,
  "0018-sealed-states": (_, vault) => sealedStates(vault),
  "0019-health": health,
  "0021-dns": dns,
  "0024-left-targets": leftTargets,
  "0025-sealed-health": (_, vault) => sealedHealth(vault),
  "0026-web-access": webAccess,
  "0027-totals": totals,
  "0028-alerts": alerts,
  "0029-search-indexes": searchIndexes,
  "0030-sealed-priorities": (_, vault) => sealedPriorities(vault),
  "0031-events-of-a-certificate": eventsOfACertificate,
  "0032-watched": watched,
  "0033-inventory": inventory,
  "0034-drills": drills,
  "0036-dns-clients": (_, vault) => dnsClients(vault),
  "0039-name-server-totals": nameServerTotals,
  "0042-horizon": horizon,
  "0043-certificate-definitions": certificateDefinitions,
  "0044-vantages": vantages,
  "0045-peers-and-exercises": peersAndExercises,
  "0048-applied-certificates": appliedCertificates,
  "0049-steady-parts": steadyParts,
  "0050-generation-floors": generationFloors,
  "0051-steady-sums": steadySums,
};

/** How many migrations this release knows. */
export const schemaVersion = Object.keys(MIGRATIONS).length;

/** Brings the tables to this release's schema; returns the version they had. Several processes may call it at once. */
export async function migrate(db: Db, dialect: Dialect, vault: Vault): Promise<number> {
  // This check takes no lock: a command that only reads can start while another process writes.
  const known = await migratorFor(db, dialect, vault).getMigrations();
  const before = known.filter(({ executedAt }) => executedAt !== undefined).length;
  if (before > 0) await refuseNewer(db);
  if (before === known.length) return before;
  // SQLite: the whole run is one immediate transaction. PostgreSQL: Kysely takes an advisory lock and its own
  // transaction. It must not get ours: when two processes start at once, creating its tables may fail and is retried.
  await (dialect === "sqlite" ? db.transaction().execute((trx) => run(trx, dialect, vault)) : run(db, dialect, vault));
  return before;
}

/** Whether it has tables of renewd, of any release. */
export async function hasSchema(db: Db): Promise<boolean> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  return tables.some(({ name }) => name === "kysely_migration" || name === "kyselyMigration");
}

/** Throws `store.unavailable` unless the tables have this release's schema. Changes nothing. */
export async function checkSchema(db: Db): Promise<void> {
  if (!(await hasSchema(db)))
    throw new RenewalError("store.unavailable", "the database has no tables of renewd yet; start it: `renewd run`");
  await refuseNewer(db);
  const { rows } = await sql<{ name: string }>`select name from kysely_migration`.execute(db);
  if (rows.length < schemaVersion)
    throw new RenewalError(
      "store.unavailable",
      "the database was written by an older renewd; run `renewd store migrate`, or start renewd, which does it",
    );
}

function migratorFor(db: Db, dialect: Dialect, vault: Vault): Migrator {
  const migrations = Object.fromEntries(
    Object.entries(MIGRATIONS).map(([name, migration]) => [name, migration(dialect, vault)]),
  );
  return new Migrator({ db, provider: { getMigrations: async () => migrations } });
}

async function run(db: Db, dialect: Dialect, vault: Vault): Promise<void> {
  const { error } = await migratorFor(db, dialect, vault).migrateToLatest();
  if (error !== undefined) throw toRenewalError(error);
}

async function refuseNewer(db: Db): Promise<void> {
  const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(db);
  const unknown = rows.find(({ name }) => !Object.hasOwn(MIGRATIONS, name));
  if (unknown === undefined) return;
  throw new RenewalError(
    "store.unavailable",
    `the database was written by a newer renewd (it has ${unknown.name}); upgrade this one`,
  );
}
