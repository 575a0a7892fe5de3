import { Client } from "pg";
import { Secret } from "../../../src/domain/secret.ts";
import { openStore, openVault } from "../../../src/store/index.ts";

export interface Databases {
  /** A new, empty database; its URL goes over TCP. */
  createDatabase(): Promise<Secret>;
  /** A database with renewd's tables and no row: one that was given back, or a copy of one that was migrated once. */
  createMigratedDatabase(): Promise<Secret>;
  /**
   * A test of many is done with its migrated database and has closed every connection to it. To empty one takes a tenth
   * of what a copy takes, which is some five hundred files.
   */
  giveBack(database: Secret): Promise<void>;
}

const EMPTY = "template0";
const MIGRATED = "migrated";

/** `server`: the URL of a PostgreSQL, without a database. */
export function databasesOf(server: string): Databases {
  const free: Secret[] = [];
  let created = 0;
  let template: Promise<Template> | null = null;
  const urlOf = (database: string): string => `${server}/${database}`;
  const create = async (name: string, from: string): Promise<Secret> => {
    await withClient(urlOf("postgres"), (client) => client.query(`create database ${name} template ${from}`));
    return new Secret(urlOf(name));
  };
  const next = (): string => `test_${++created}`;
  const migrated = (): Promise<Template> => {
    template ??= create(MIGRATED, EMPTY).then(migrate);
    return template;
  };
  return {
    createDatabase: () => create(next(), EMPTY),
    async createMigratedDatabase() {
      await migrated();
      return free.pop() ?? create(next(), MIGRATED);
    },
    async giveBack(database) {
      if (await emptied(database, await migrated())) free.push(database);
    },
  };
}

/** What a database is put back to. */
interface Template {
  readonly schema: string;
  /** The rows that migrations leave, as JSON, for each table that has any. */
  readonly rows: ReadonlyMap<string, string>;
}

/** The row that ties a database to its master key goes: each copy meets a key of its own. */
async function migrate(url: Secret): Promise<Template> {
  const vault = await openVault({ key: new Secret(Buffer.alloc(32).toString("base64")) });
  const store = await openStore({ kind: "postgresql", url, poolMax: 1 }, vault, "test/template");
  await store.close();
  return withClient(url.reveal(), async (client) => {
    await client.query("delete from meta");
    return { schema: await schemaOf(client), rows: await rowsOf(client) };
  });
}

async function rowsOf(client: Client): Promise<Map<string, string>> {
  const rows = new Map<string, string>();
  const tables = await client.query<{ name: string }>(
    "select tablename as name from pg_tables where schemaname = 'public'",
  );
  for (const { name } of tables.rows) {
    const found = await client.query<{ all: string | null }>(`select json_agg(t)::text as "all" from "${name}" t`);
    const all = found.rows[0]?.all ?? null;
    if (all !== null) rows.set(name, all);
  }
  return rows;
}

/** False: the test changed tables, functions or triggers, so nobody else may have this database. */
function emptied(database: Secret, { schema, rows }: Template): Promise<boolean> {
  return withClient(database.reveal(), async (client) => {
    if ((await schemaOf(client)) !== schema) return false;
    await client.query(EMPTY_ALL);
    for (const [table, all] of rows) {
      await client.query(`insert into "${table}" select * from json_populate_recordset(null::"${table}", $1)`, [all]);
    }
    return true;
  });
}

/** As a replica, rows go without the triggers that guard them. A large table is cut: nobody reads its dead rows. */
const EMPTY_ALL = `do $$ declare one record; begin
  set local session_replication_role = replica;
  for one in select tablename as name, pg_relation_size(quote_ident(tablename)::regclass) as bytes
    from pg_tables where schemaname = 'public' loop
    if one.bytes > 65536 then execute format('truncate %I restart identity cascade', one.name);
    elsif one.bytes > 0 then execute format('delete from %I', one.name);
    end if;
  end loop;
  for one in select sequencename as name from pg_sequences where schemaname = 'public' loop
    execute format('alter sequence %I restart', one.name);
  end loop;
end $$`;

async function schemaOf(client: Client): Promise<string> {
  const { rows } = await client.query<{ schema: string }>(SCHEMA);
  return rows[0]?.schema ?? "";
}

const SCHEMA = `select string_agg(line, E'\\n' order by line) as schema from (
  select format('%s.%s %s %s', c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull) as line
    from pg_attribute a join pg_class c on c.oid = a.attrelid
    where c.relnamespace = 'public'::regnamespace and a.attnum > 0
  union all select format('%s %s %s', tgrelid::regclass, tgname, tgenabled) from pg_trigger where not tgisinternal
  union all select format('%s %s', proname, prosrc) from pg_proc where pronamespace = 'public'::regnamespace
  union all select format('%s %s', conname, pg_get_constraintdef(oid)) from pg_constraint
    where connamespace = 'public'::regnamespace
) as lines`;

async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
