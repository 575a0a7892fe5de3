import { AsyncLocalStorage } from "node:async_hooks";
import { CamelCasePlugin, Kysely } from "kysely";
import type { HistoryFilter } from "../../src/domain/historySearch.ts";
import type { Store } from "../../src/domain/store.ts";
import { openDatabase } from "../../src/store/database.ts";
import { postgresDialect, postgresSource } from "../../src/store/dialect/postgresql.ts";
import { sqliteDialect, sqliteSource } from "../../src/store/dialect/sqlite.ts";
import type { StoreOptions, Vault } from "../../src/store/index.ts";
import { storeRepositories } from "../../src/store/repositories.ts";
import type { Schema } from "../../src/store/schema.ts";
import { certificate, DAY_MS, NOW, renewal } from "../support/model/facts.ts";

export interface SentQuery {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

const LARGE = /\b(?:from|update|into) "(?:events|renewals|versions)"/;

/** A store whose queries are written down as it sends them. */
export async function watchedStore(
  options: StoreOptions,
  vault: Vault,
): Promise<{ readonly store: Store; readonly sent: SentQuery[] }> {
  await (await openDatabase(options, vault)).db.destroy();
  const scope = new AsyncLocalStorage<{ open: boolean }>();
  const dialect =
    options.kind === "sqlite"
      ? sqliteDialect(await sqliteSource(options.file), scope)
      : postgresDialect(postgresSource(options.url), scope);
  const sent: SentQuery[] = [];
  const log = ({ query }: { query: SentQuery }): void => void sent.push(query);
  const db = new Kysely<Schema>({ dialect, plugins: [new CamelCasePlugin()], log });
  const store = storeRepositories({ dialect: options.kind, where: "", db, scope, versionBefore: 0 }, vault, "test/1");
  return { store, sent };
}

/** What ticks, sweeps, workers, channels and `renewd status` ask of the tables that grow, as the store sends it. */
export async function hotQueries(options: StoreOptions, vault: Vault): Promise<SentQuery[]> {
  const { store, sent } = await watchedStore(options, vault);
  try {
    const { certificates, events, renewals, versions, retention, cursors } = store;
    await store.certificates.sync([certificate()], NOW);
    await renewals.insert(renewal({ id: "r" }));
    const event = {
      at: NOW,
      type: "issue.failed",
      certificate: "www",
      renewalId: "r",
      target: null,
      detail: {},
    } as const;
    for (let n = 0; n < 3; n += 1) await events.append(event);
    await events.list({ limit: 9 });
    await events.list({ certificate: "www", types: ["issue.failed", "version.issued"], limit: 9 });
    await events.list({ renewalId: "r", limit: 9 });
    await events.list({ renewalId: "r", afterSeq: 1, limit: 9 });
    await events.list({ types: ["clock.skewed", "clock.recovered"], limit: 9 });
    await events.list({ types: ["renewal.failed", "renewal.held"], afterSeq: 1, limit: 9 });
    await events.list({ afterSeq: 1, limit: 9 });
    // Alerts: what changed before the trouble; refused requests and rehearsals of one certificate.
    await events.list({ types: ["certificate.configured", "config.reloaded"], since: NOW, limit: 9 });
    await events.list({ certificate: "www", types: ["request.refused"], since: NOW, limit: 1 });
    await events.list({ certificate: "www", types: ["certificate.rehearsed"], limit: 1 });
    await events.prunedTo();
    await events.mark();
    await events.mark(1);
    await cursors.claim("ops", NOW, { leaseMs: 1_000, retryMaxMs: 1_000 });
    await renewals.active("www");
    for (const first of ["urgent", "overdue"] as const) await renewals.due(NOW, { limit: 9, leaseMs: 9_000, first });
    const claimed = await renewals.claim("r", NOW, 9_000);
    await renewals.update("r", claimed?.fence ?? 0, { state: "issuing" });
    await renewals.orderState("r");
    await renewals.occupy("scope", "r", NOW);
    await renewals.occupy("scope", "s", NOW);
    await renewals.list({ limit: 9 });
    await renewals.list({ certificate: "www", limit: 9 });
    await renewals.lastOf(["www"]);
    await events.lastOf(["r"]);
    await searches(store, options.kind);
    await versions.listOf(["www"], [1]);
    await versions.latest("www");
    await versions.get("www", 1);
    await versions.before("www", 1);
    await versions.list("www");
    await versions.bySerial("01");
    await versions.markVerified("www", 1, NOW);
    await retention.eraseKeys(NOW, 9);
    await retention.pruneEvents(NOW + DAY_MS, NOW, 9);
    await retention.pruneRenewals(NOW, 9);
    await retention.pruneVersions(NOW, 9);
    await certificates.removed(9);
    return sent.filter(({ sql }) => LARGE.test(sql) && !sql.startsWith("insert"));
  } finally {
    await store.close();
  }
}

/** Not by issuer: most certificates have the same, so reading all renewals is the shortest way. */
const SEARCHES: readonly HistoryFilter[] = [
  {},
  ...[{ names: ["shop"] }, { serials: ["0A"] }, { fingerprints: ["ab"] }, { targets: ["lb"] }, { actors: ["alice"] }],
  ...[{ errors: ["acme."] }, { states: ["failed"] as const }, { since: NOW, before: NOW + DAY_MS }],
  ...[{ certificate: "www" }, { types: ["deploy.failed"] as const }],
];

/** What pages of the history ask: rows, and the counts above them. */
async function searches({ search }: Store, kind: StoreOptions["kind"]): Promise<void> {
  for (const filter of SEARCHES) {
    // A part of a name in JSON is looked for in every version; there it is not renewd's own process that does so.
    if (kind === "postgresql" && (filter.names ?? filter.fingerprints ?? filter.serials) !== undefined) continue;
    await search.renewals(filter, { limit: 9, after: { at: NOW, id: "r" } });
    await search.countRenewals(filter);
    await search.histogram(filter, { from: NOW - DAY_MS, stepMs: DAY_MS });
    await search.durations(filter, 9);
    await search.countErrors({ ...filter, states: ["failed"], since: NOW });
    await search.events(filter, { limit: 9, beforeSeq: 9 });
    await search.countEvents(filter);
  }
  await search.serials([renewal({ id: "r" })]);
}
