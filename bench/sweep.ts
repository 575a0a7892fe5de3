// What a sweep asks for among a million certificates of which a hundred are due, on both databases: its price must grow
// with what is due, not with the fleet. 200 certificates are written by the store; a million copies of one more are made
// inside the database, each with its version, renewal and deployments.
//   npm run bench -- sweep
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Client } from "pg";
import type { Store } from "../src/domain/store.ts";
import { DAY_MS, MINUTE_MS } from "../src/domain/time.ts";
import { openStore, openVault, type StoreOptions } from "../src/store/index.ts";
import { certificate } from "../test/support/model/facts.ts";
import { startPostgres } from "../test/support/servers/postgres.ts";
import { seedFleet } from "../test/support/system/seedFleet.ts";
import { machine } from "./machine.ts";
import { median } from "./measure.ts";

const FLEET = Number(process.env.BENCH_CERTIFICATES ?? 1_000_000);
const DUE = 100;
const ROUNDS = 21;
const MAX_MS = 50;
const NOW = Date.UTC(2026, 5, 1);
const LEASE_MS = MINUTE_MS;
const COPIED = "copied";
/** Each with the columns that tell one certificate's rows from another's. */
const TABLES: Readonly<Record<string, readonly string[]>> = {
  ...{ certificates: ["name"], versions: ["certificate"] },
  ...{ renewals: ["certificate", "id"], deployments: ["certificate"] },
};

/** The database itself, beside the store. */
interface Raw {
  columnsOf(table: string): Promise<readonly string[]>;
  run(sql: string): Promise<unknown>;
  /** What the database learns of its tables by itself: PostgreSQL's autovacuum looks at them, SQLite does not. */
  learn(): Promise<unknown>;
}

console.log(machine([]));
const directory = await mkdtemp(join(tmpdir(), "renewd-bench-sweep-"));
try {
  const file = join(directory, "renewd.db");
  using database = new DatabaseSync(file);
  await measure("SQLite", { kind: "sqlite", file }, rawSqlite(database), "pragma synchronous = off");
  await using postgres = await startPostgres();
  const url = await postgres.createMigratedDatabase();
  const client = new Client({ connectionString: url.reveal() });
  await client.connect();
  await measure("PostgreSQL", { kind: "postgresql", url }, rawPostgres(client), "set synchronous_commit = off");
  await client.end();
} finally {
  await rm(directory, { recursive: true, force: true });
}

async function measure(title: string, options: StoreOptions, raw: Raw, quickly: string): Promise<void> {
  const vault = await openVault({ file: join(directory, "master.key") });
  const store = await openStore(options, vault, "bench/1");
  await fill(store, raw, quickly);
  const search = async (): Promise<void> => {
    const certificates = await store.certificates.due(NOW, 2 * DUE);
    const page = { limit: 2 * DUE, leaseMs: LEASE_MS };
    const renewals = await store.renewals.due(NOW, { ...page, first: "urgent" });
    if (certificates.length !== DUE || renewals.length !== DUE)
      throw new Error(`${certificates.length} certificates and ${renewals.length} renewals are due, not ${DUE} each`);
  };
  const took: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const startedAt = performance.now();
    await search();
    took.push(performance.now() - startedAt);
  }
  await store.close();
  report(title, took);
}

/** The first round plans the statements. */
function report(title: string, took: readonly number[]): void {
  const [first = Number.NaN, ...others] = took;
  const p50 = median(others);
  const isMet = p50 <= MAX_MS;
  const times = `p50 ${p50.toFixed(1)} ms, first ${first.toFixed(1)} ms, slowest ${Math.max(...others).toFixed(1)} ms`;
  console.log(`${title}: ${FLEET} certificates, ${DUE} due: ${times} (at most ${MAX_MS}) ${isMet ? "met" : "MISSED"}`);
  if (!isMet) process.exitCode = 1;
}

async function fill(store: Store, raw: Raw, quickly: string): Promise<void> {
  const names = [COPIED, ...Array.from({ length: 2 * DUE }, (_, index) => `c${index}`)];
  const all = names.map((name) => certificate({ name, targets: ["lb", "store"] }));
  const kindOf = (index: number) => (index > DUE ? "inFlight" : "healthy");
  await seedFleet(store, all, { now: NOW, kindOf, past: 0 });
  await raw.run(quickly);
  for (const [table, own] of Object.entries(TABLES)) {
    const columns = await raw.columnsOf(table);
    const copied = columns.map((column) => (own.includes(column) ? `${column} || '-' || cast(i as text)` : column));
    const key = table === "certificates" ? "name" : "certificate";
    await raw.run(
      `with recursive n(i) as (select 1 union all select i + 1 from n where i < ${FLEET})
       insert into ${table} (${columns.join(", ")}) select ${copied.join(", ")} from n, ${table} where ${key} = '${COPIED}'`,
    );
  }
  for (let index = 0; index < DUE; index++) await store.certificates.update(`c${index}`, { nextCheckAt: NOW - DAY_MS });
  await raw.run("update renewals set next_action_at = null where certificate like 'copied%'");
  await raw.run(`update renewals set next_action_at = ${NOW - 1} where next_action_at is not null`);
  await raw.learn();
}

function rawSqlite(database: DatabaseSync): Raw {
  return {
    columnsOf: async (table) =>
      database
        .prepare(`pragma table_info(${table})`)
        .all()
        .map(({ name }) => String(name)),
    run: async (sql) => database.exec(sql),
    learn: async () => {},
  };
}

function rawPostgres(client: Client): Raw {
  return {
    async columnsOf(table) {
      const { fields } = await client.query(`select * from ${table} limit 0`);
      return fields.map(({ name }) => name);
    },
    run: (sql) => client.query(sql),
    learn: () => client.query("analyze"),
  };
}
