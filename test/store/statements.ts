import { AsyncLocalStorage } from "node:async_hooks";
import { Kysely } from "kysely";
import type { Store } from "../../src/domain/store.ts";
import { openDatabase } from "../../src/store/database.ts";
import { camelCaseRows } from "../../src/store/dialect/names.ts";
import { postgresDialect, postgresSource } from "../../src/store/dialect/postgresql.ts";
import { sqliteDialect, sqliteSource } from "../../src/store/dialect/sqlite.ts";
import type { StoreOptions, Vault } from "../../src/store/index.ts";
import { storeRepositories } from "../../src/store/repositories.ts";
import type { Schema } from "../../src/store/schema.ts";
import { callEverything } from "./everyCall.ts";

export interface SentQuery {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

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
  const db = new Kysely<Schema>({ dialect, plugins: [camelCaseRows], log });
  const store = storeRepositories({ dialect: options.kind, where: "", db, scope, versionBefore: 0 }, vault, "test/1");
  return { store, sent };
}

/** Each statement of the store once, with parameters that fit it. */
export async function everyStatement(options: StoreOptions, vault: Vault): Promise<SentQuery[]> {
  const { store, sent } = await watchedStore(options, vault);
  try {
    await callEverything(store);
  } finally {
    await store.close();
  }
  return [...new Map(sent.map((query) => [query.sql, query])).values()];
}

/** Tables that grow with time: whatever reads one of them whole is slower each day. */
const GROWING = ["events", "renewals", "versions"];
/** As statements call these tables a second time. */
const ALIASES = ["own", "ended", "other", "later"];
const LARGE = [...GROWING, ...ALIASES].join("|");

/** Indexes of few rows, however many there are: of active renewals, of pairs that still have a key, of what people did. */
const FEW = ["renewals_due", "renewals_one_active", "versions_with_key", "events_by_people"];

/** What else may read one of them whole, and why. */
const ALLOWED: readonly (readonly [statement: RegExp, reason: string])[] = [
  [
    /^select [^*]* from "versions" where "generation" = \(select max/,
    "the latest version of each certificate: a certificate has about ten while its history is kept",
  ],
  [
    /^select ("state"|"error_code"|"created_at"|case when)[\s\S]* from "renewals" where /,
    "counts above the history, in an index, when somebody looks at it",
  ],
  [
    /^select "id", [\s\S]* from "renewals" where "state" in \(\S+\) .*order by "created_at" desc, "id" desc limit \S+$/,
    "the newest that ended so, in an index, when somebody asks for it",
  ],
  [/^select count\(\*\) as "count" from "events" where /, "the count above the events, in an index"],
  [
    / in \(select name from certificates where [\s\S]*union all select certificate from versions/,
    "a part of a name, in an index, when somebody looks for it",
  ],
  [
    /^select \* from "events" where "renewal_id" in \(select "id" from "renewals" where "state" in /,
    "events of renewals in some states, when somebody looks for them",
  ],
];

/** Steps of a plan that read a growing table, or an index of it, from its beginning to its end. */
export function wholeReads(sql: string, steps: readonly string[], scan: (tables: string) => RegExp): string[] {
  // The first rows in the order of an index are no scan.
  const isFirst = /from "(events|renewals)" order by "(seq|created_at)"( asc| desc)?(, "id" desc)? limit \S+$/.test(
    sql,
  );
  if (isFirst || ALLOWED.some(([statement]) => statement.test(sql))) return [];
  return steps.filter((step) => scan(LARGE).test(step) && !FEW.some((index) => step.includes(` ${index}`)));
}

/** What is allowed and that no statement needs any more. */
export function unusedReasons(statements: readonly SentQuery[]): string[] {
  return ALLOWED.filter(([pattern]) => !statements.some(({ sql }) => pattern.test(sql))).map(([, reason]) => reason);
}
