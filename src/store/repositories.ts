import { sql } from "kysely";
import { RenewalError } from "../domain/errors.ts";
import type { EventStore, Store } from "../domain/store.ts";
import type { Database } from "./database.ts";
import { type AppendWith, accountStore } from "./queries/accounts.ts";
import { alertStore } from "./queries/alerts.ts";
import { appliedStore } from "./queries/applied.ts";
import { bringForward } from "./queries/bringForward.ts";
import { certificateStore } from "./queries/certificates.ts";
import { challengeStore } from "./queries/challenges.ts";
import { crlStore } from "./queries/crls.ts";
import { cursorStore } from "./queries/cursors.ts";
import { definitionStore } from "./queries/definitions.ts";
import { deploymentStore } from "./queries/deployments.ts";
import { dnsStore } from "./queries/dns.ts";
import { drillStore } from "./queries/drills.ts";
import { type EventWriter, eventStore, eventStoreInside } from "./queries/events.ts";
import { exerciseStore } from "./queries/exercises.ts";
import { healthStore } from "./queries/health.ts";
import { HeldRenewals } from "./queries/heldRenewals.ts";
import { historySearch } from "./queries/historySearch.ts";
import { horizonStore } from "./queries/horizon.ts";
import { inventoryStore } from "./queries/inventory.ts";
import { ledgerStore } from "./queries/ledger.ts";
import { leftTargetStore } from "./queries/leftTargets.ts";
import { lockCertificates } from "./queries/lockCertificates.ts";
import { nameServerTotalsStore } from "./queries/nameServerTotals.ts";
import { observationStore } from "./queries/observations.ts";
import { peerStore } from "./queries/peers.ts";
import { renewalInfoStore } from "./queries/renewalInfos.ts";
import { renewalStore } from "./queries/renewals.ts";
import { replacementStore } from "./queries/replacements.ts";
import { retentionStore } from "./queries/retention.ts";
import { servedStore } from "./queries/served.ts";
import { steadyStore } from "./queries/steady.ts";
import { totalsStore } from "./queries/totals.ts";
import { vantageStore } from "./queries/vantages.ts";
import { versionStore } from "./queries/versions.ts";
import { watchedStore } from "./queries/watched.ts";
import { webAccessStore } from "./queries/webAccess.ts";
import { repairNumbers } from "./repairNumbers.ts";
import { atomically, type Db } from "./schema.ts";
import type { Vault } from "./vault.ts";

/** The store's ports over an open database. */
export function storeRepositories(database: Database, vault: Vault, worker: string): Store {
  const writer = { dialect: database.dialect, vault, worker, lastHead: { head: null } };
  const append: AppendWith = (trx, event) => eventStore(trx, writer).append(event);
  return {
    ...ports(database, database.db, vault, { events: eventStore(database.db, writer), append }),
    transaction: (work) => atomically(database.db, (trx) => transactionRepositories(database, trx, writer, work)),
    repairNumbers: () => repairNumbers(database.db, database.dialect),
    serverTime: () => serverTime(database),
    serverVersion: () => serverVersion(database),
    close: () => database.db.destroy(),
  };
}

/** Runs `work` with the store's ports over a transaction that is already open; its events are written at the end. */
export async function transactionRepositories<T>(
  database: Database,
  trx: Db,
  writer: EventWriter,
  work: (tx: Store) => Promise<T>,
): Promise<T> {
  const { vault } = writer;
  const { events, outbox } = eventStoreInside(trx, writer);
  const held = new HeldRenewals(trx, vault);
  const tx: Store = {
    ...ports(database, trx, vault, { events, append: (_, event) => events.append(event) }, held),
    transaction: (nested) => nested(tx),
    repairNumbers: () => repairNumbers(trx, database.dialect),
    serverTime: () => serverTime({ ...database, db: trx }),
    serverVersion: () => serverVersion({ ...database, db: trx }),
    close: async () => {
      throw new RenewalError("internal.bug", "a transaction cannot close the store");
    },
  };
  const scope = { open: true };
  const result = await database.scope
    .run(scope, () => work(tx))
    .finally(() => {
      // Calls that the work left running are outside the transaction from here on.
      scope.open = false;
    });
  await held.flush();
  await outbox.flush();
  return result;
}

/** The embedded database runs on this machine's clock, so it has none of its own to compare with. */
async function serverTime({ db, dialect }: Database): Promise<number | null> {
  if (dialect === "sqlite") return null;
  const { rows } = await sql<{
    now: number;
  }>`select (extract(epoch from clock_timestamp()) * 1000)::bigint as now`.execute(db);
  return rows[0]?.now ?? null;
}

async function serverVersion({ db, dialect }: Database): Promise<string | null> {
  if (dialect === "sqlite") return null;
  const { rows } = await sql<{ version: string }>`select current_setting('server_version') as version`.execute(db);
  return rows[0]?.version ?? null;
}

function ports(
  database: Database,
  db: Db,
  vault: Vault,
  { events, append }: { readonly events: EventStore; readonly append: AppendWith },
  held?: HeldRenewals,
): Omit<Store, "transaction" | "repairNumbers" | "serverTime" | "serverVersion" | "close"> {
  return {
    certificates: {
      bringForward: (terms) => bringForward(db, terms),
      ...certificateStore(db, vault),
      lock: (names) => lockCertificates(db, database.dialect, names),
    },
    versions: versionStore(db, database.dialect, vault),
    renewals: renewalStore(db, database.dialect, vault, held),
    deployments: deploymentStore(db, vault),
    observations: observationStore(db, vault),
    vantages: vantageStore(db),
    renewalInfos: renewalInfoStore(db, vault),
    leftTargets: leftTargetStore(db, vault),
    inventory: inventoryStore(db, database.dialect, vault),
    crls: crlStore(db),
    events,
    search: historySearch(db, database.dialect),
    challenges: challengeStore(db, vault),
    dns: dnsStore(db, vault),
    accounts: accountStore(db, vault, append),
    replacements: replacementStore(db, database.dialect, vault),
    drills: drillStore(db, vault),
    exercises: exerciseStore(db, vault),
    peers: peerStore(db, vault),
    definitions: definitionStore(db, vault),
    horizon: horizonStore(db, vault),
    alerts: alertStore(db, vault),
    cursors: cursorStore(db, vault),
    health: healthStore(db, vault),
    applied: appliedStore(db, vault),
    steady: steadyStore(db, vault),
    totals: totalsStore(db, database.dialect),
    nameServerTotals: nameServerTotalsStore(db),
    webAccess: webAccessStore(db, vault),
    watched: watchedStore(db, vault),
    served: servedStore(db, vault),
    ledger: ledgerStore(db, database.dialect),
    retention: retentionStore(db, { dialect: database.dialect, vault, worker: "" }),
  };
}
