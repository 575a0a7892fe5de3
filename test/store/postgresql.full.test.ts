import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toRenewalError } from "../../src/domain/errors.ts";
import { Secret } from "../../src/domain/secret.ts";
import { checkDatabaseServer, openStore, openVault, type Vault } from "../../src/store/index.ts";
import { type StoreBackend, storeConformance } from "../conformance/store.ts";
import { startTcpProxy } from "../drills/tcpProxy.ts";
import { NOW } from "../support/model/facts.ts";
import { type Postgres, startPostgres } from "../support/servers/postgres.ts";
import { configText, runCaptured } from "../support/system/installation.ts";
import type { CommandResult } from "../support/system/renewd.ts";
import { createWebEstate } from "../support/system/webEstate.ts";
import { until } from "../support/until.ts";
import { decisionTests } from "../web/decisionTests.ts";
import { everyStatement, wholeReads } from "./statements.ts";

let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres[Symbol.asyncDispose]());

async function createBackend(): Promise<StoreBackend> {
  const url = await postgres.createMigratedDatabase();
  const query = async (sql: string): Promise<string> => {
    const client = new Client({ connectionString: url.reveal() });
    await client.connect();
    try {
      return JSON.stringify((await client.query(sql)).rows);
    } finally {
      await client.end();
    }
  };
  return {
    options: { kind: "postgresql", url, poolMax: 4 },
    giveBack: () => postgres.giveBack(url),
    run: async (sql) => void (await query(sql)),
    dump: () => query("select database_to_xml(true, false, '')::text"),
    failInserts: (table) =>
      `create function planted() returns trigger language plpgsql as $$ begin raise exception 'planted failure'; end $$;
       create trigger planted before insert on ${table} for each row execute function planted()`,
  };
}

storeConformance("PostgreSQL", createBackend);

describe("decisions through the API, over PostgreSQL", () => {
  let directory = "";
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "renewd-decisions-"));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));
  decisionTests(async () => {
    const file = join(directory, "url");
    await writeFile(file, (await postgres.createMigratedDatabase()).reveal(), { mode: 0o600 });
    return createWebEstate({ sections: { store: { type: "postgresql", url: `file:${file}` } } });
  });
});

describe("a PostgreSQL database", () => {
  let vault: Vault;
  beforeAll(async () => {
    vault = await openVault({ key: new Secret(Buffer.alloc(32, 7).toString("base64")) });
  });

  const everythingOf = (error: unknown): string => {
    const seen: unknown[] = [];
    for (let at = error; at instanceof Error; at = at.cause) seen.push(at.message, at.stack, ...Object.values(at));
    return seen.map(String).join("\n");
  };

  test.each([
    ["nobody listens", (url: string) => url.replace(/:\d+\//, ":1/"), "store.unavailable", "renewd@127.0.0.1:1/test_"],
    [
      "the password is wrong",
      (url: string) => url.replace("planted-", "planted-other-"),
      "store.unavailable",
      "password authentication failed",
    ],
    [
      "there is no such database",
      (url: string) => url.replace(/test_\d+/, "absent"),
      "store.unavailable",
      '"absent" does not exist',
    ],
    [
      "the URL is of another kind",
      (url: string) => url.replace("postgresql", "mysql"),
      "config.invalid",
      "postgresql://",
    ],
    ["the URL is broken", (url: string) => url.replace("@127.0.0.1", "@[::"), "config.invalid", "postgresql://"],
  ])("when %s, the message says where and what, without the password", async (_, change, code, message) => {
    const url = (await postgres.createDatabase()).reveal();
    const error = await openStore({ kind: "postgresql", url: new Secret(change(url)) }, vault, "test/1").then(
      () => new Error("it opened"),
      (thrown: unknown) => toRenewalError(thrown),
    );
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
    expect(everythingOf(error)).not.toContain("database-password");
  });

  test("is found ready by config check only when the user may create tables, and nothing is created to tell", async () => {
    const url = await postgres.createDatabase();
    await checkDatabaseServer({ kind: "postgresql", url });
    const admin = new Client({ connectionString: url.reveal() });
    await admin.connect();
    try {
      const { rows } = await admin.query("select count(*)::int as tables from pg_tables where schemaname = 'public'");
      expect(rows).toEqual([{ tables: 0 }]);
      await admin.query("create role looker login password 'reads'; revoke create on schema public from public");
      const asLooker = new URL(url.reveal());
      Object.assign(asLooker, { username: "looker", password: "reads" });
      await expect(checkDatabaseServer({ kind: "postgresql", url: new Secret(asLooker.href) })).rejects.toMatchObject({
        code: "store.forbidden",
        message: expect.stringContaining("may not create tables in schema public"),
      });
    } finally {
      await admin.end();
    }
  });

  test("that has no connection left says which limit to raise", async () => {
    const url = await postgres.createDatabase();
    const admin = new Client({ connectionString: url.reveal() });
    await admin.connect();
    try {
      await admin.query("create role limited login password 'reads' connection limit 0");
      const asLimited = new URL(url.reveal());
      Object.assign(asLimited, { username: "limited", password: "reads" });
      await expect(checkDatabaseServer({ kind: "postgresql", url: new Secret(asLimited.href) })).rejects.toMatchObject({
        code: "store.unavailable",
        message: expect.stringMatching(/too many connections .* each process of renewd opens up to 10$/),
      });
    } finally {
      await admin.end();
    }
  });

  test("reads no table that grows with time as a whole, whatever it is asked", async () => {
    const url = await postgres.createMigratedDatabase();
    const statements = await everyStatement({ kind: "postgresql", url }, vault);
    const client = new Client({ connectionString: url.reveal() });
    await client.connect();
    try {
      // Tables are small here: this makes the planner show whether it could do without reading them whole.
      await client.query("set enable_seqscan = off");
      const scans: string[] = [];
      for (const { sql, parameters } of statements) {
        if (!/^(select|update|delete|insert) /.test(sql)) continue;
        const { rows } = await client.query<{ "QUERY PLAN": string }>(`explain ${sql}`, [...parameters]);
        const steps = rows.map((row) => row["QUERY PLAN"]);
        const whole = wholeReads(sql, steps, (tables) => new RegExp(`Seq Scan on (${tables})( |$)`));
        if (whole.length > 0) scans.push(`${sql}:\n${steps.join("\n")}`);
      }
      expect(statements.length).toBeGreaterThan(300);
      expect(scans).toEqual([]);
    } finally {
      await client.end();
    }
  });

  test("numbers events in the order of their commits, whichever began first", async () => {
    const options = { kind: "postgresql", url: await postgres.createMigratedDatabase() } as const;
    const store = await openStore(options, vault, "test/1");
    try {
      const event = (renewalId: string) =>
        ({ at: NOW, type: "issue.started", certificate: null, renewalId, target: null, detail: {} }) as const;
      const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>();
      const { promise: appended, resolve: hasAppended } = Promise.withResolvers<void>();
      const slow = store.transaction(async (tx) => {
        await tx.events.append(event("slow"));
        hasAppended();
        await mayEnd;
      });
      await appended;
      await store.events.append(event("quick"));
      const [quick] = await store.events.list({ afterSeq: 0, limit: 9 });
      end();
      await slow;
      expect(
        (await store.events.list({ afterSeq: quick?.seq ?? 0, limit: 9 })).map(({ renewalId }) => renewalId),
      ).toEqual(["slow"]);
    } finally {
      await store.close();
    }
  });

  test("lets a transaction that has read its own events write more, whoever else waits to write", async () => {
    const options = { kind: "postgresql", url: await postgres.createMigratedDatabase() } as const;
    const store = await openStore(options, vault, "test/1");
    const other = await openStore(options, vault, "other/2");
    const client = new Client({ connectionString: options.url.reveal() });
    await client.connect();
    try {
      const event = (renewalId: string) =>
        ({ at: NOW, type: "issue.started", certificate: null, renewalId, target: null, detail: {} }) as const;
      const waiting = "select from pg_locks where not granted";
      const { promise: mayGoOn, resolve: goOn } = Promise.withResolvers<void>();
      const { promise: numbered, resolve: isNumbered } = Promise.withResolvers<void>();
      await store.events.append(event("first"));
      let runs = 0;
      const long = store.transaction(async (tx) => {
        runs += 1;
        await tx.events.append(event("long"));
        await tx.events.list({ limit: 1 });
        isNumbered();
        await mayGoOn;
        await tx.events.append(event("long"));
      });
      await numbered;
      const others = [store.events.append(event("same process")), other.events.append(event("other process"))];
      await until("two that wait", async () => (await client.query(waiting)).rowCount === 2 || null);
      goOn();
      await Promise.all([long, ...others]);
      expect(runs).toBe(1);
      expect((await store.events.list({ limit: 9 })).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
    } finally {
      await client.end();
      await other.close();
      await store.close();
    }
  });

  test("that goes away is an error that names it, and the store works again once it is back", async () => {
    const url = await postgres.createMigratedDatabase();
    const store = await openStore({ kind: "postgresql", url, poolMax: 2 }, vault, "test/1");
    const killer = new Client({ connectionString: url.reveal() });
    await killer.connect();
    const endSessions = `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`;
    try {
      const lost = store.transaction(async (tx) => {
        await tx.certificates.list();
        await killer.query(endSessions);
        await tx.certificates.list();
      });
      await expect(lost).rejects.toMatchObject({
        code: "store.unavailable",
        message: expect.stringContaining("127.0.0.1"),
      });
      expect(await store.certificates.list()).toEqual([]);
    } finally {
      await killer.end();
      await store.close();
    }
  });

  test("a statement that failed inside a transaction cannot be swallowed and committed over", async () => {
    const url = await postgres.createMigratedDatabase();
    const store = await openStore({ kind: "postgresql", url }, vault, "test/1");
    try {
      const swallowed = store.transaction(async (tx) => {
        await tx.renewals.list({ limit: -1 }).catch(() => {});
      });
      await expect(swallowed).rejects.toMatchObject({ code: "internal.bug" });
    } finally {
      await store.close();
    }
  });

  test("that stops answering is given up within the time that was allowed, inside a transaction too", async () => {
    const url = (await postgres.createMigratedDatabase()).reveal();
    await using proxy = await startTcpProxy(postgres.port);
    const through = new Secret(url.replace(`:${postgres.port}/`, `:${proxy.port}/`));
    const store = await openStore({ kind: "postgresql", url: through, answerTimeoutMs: 400 }, vault, "test/1");
    const begunAt = performance.now();
    const frozen = store.transaction(async (tx) => {
      proxy.freeze();
      await tx.certificates.list();
    });
    await expect(frozen).rejects.toMatchObject({ code: "store.unavailable" });
    expect(performance.now() - begunAt).toBeLessThan(5_000);
    proxy.thaw();
    expect(await store.certificates.list()).toEqual([]);
    await store.close();
  });
});

describe("renewd status on PostgreSQL", () => {
  const READER = "create role reader login password 'reader-password'";
  const query = async (url: string, sql: string): Promise<unknown[]> => {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  };
  const status = async (url: string, command = "status"): Promise<CommandResult> => {
    const directory = await mkdtemp(join(tmpdir(), "renewd-viewer-"));
    try {
      await writeFile(join(directory, "url"), url, { mode: 0o600 });
      const config = {
        ...JSON.parse(configText(["www"])),
        store: { type: "postgresql", url: `file:${directory}/url` },
      };
      await writeFile(join(directory, "renewd.yaml"), JSON.stringify(config));
      return await runCaptured(["-c", join(directory, "renewd.yaml"), ...command.split(" ")]);
    } finally {
      await rm(directory, { recursive: true });
    }
  };
  const asReader = (url: string): string => url.replace(/\/\/[^@]+@/, "//reader:reader-password@");
  beforeAll(async () => {
    await query((await postgres.createDatabase()).reveal(), READER);
  });

  test("needs no more than the right to read, and writes nothing", async () => {
    const url = (await postgres.createMigratedDatabase()).reveal();
    await query(url, "grant select on all tables in schema public to reader");
    const before = await query(url, "select md5(database_to_xml(true, false, '')::text)");
    const { code, stdout, stderr } = await status(asReader(url));
    expect(stderr).toBe("");
    expect(stdout).toContain("no planner, acme, deployer or verifier runs");
    expect(code).toBe(1);
    expect(await query(url, "select md5(database_to_xml(true, false, '')::text)")).toEqual(before);
  });

  test.each(["run --dry-run", "alerts"])("before the first run %s creates no tables", async (command) => {
    const url = (await postgres.createDatabase()).reveal();
    const { code, stderr } = await status(url, command);
    expect([code, stderr]).toEqual([0, ""]);
    expect(await query(url, "select count(*) from information_schema.tables where table_schema = 'public'")).toEqual(
      await query(url, "select 0::bigint as count"),
    );
  });

  test.each<[string, (url: string) => Promise<string>, RegExp]>([
    [
      "a schema that an older renewd has written",
      async (url) => {
        await query(url, "delete from kysely_migration where name = (select max(name) from kysely_migration)");
        return url;
      },
      /written by an older renewd; run `renewd store migrate`/,
    ],
    ["an empty database", async () => (await postgres.createDatabase()).reveal(), /no tables of renewd yet/],
    ["a user that may not read", async (url) => asReader(url), /permission denied for table .*\[store\.forbidden\]/],
    [
      "a server that is away",
      async (url) => url.replace(/:\d+\//, ":1/"),
      /renewd@127\.0\.0\.1:1\/.*ECONNREFUSED.*\[store\.unavailable\]/,
    ],
  ])("says what is wrong in one line with what to do, and ends with 3: %s", async (_, spoil, message) => {
    const { code, stdout, stderr } = await status(await spoil((await postgres.createMigratedDatabase()).reveal()));
    expect(stderr.replace(/\s+/g, " ")).toMatch(message);
    expect(stderr).not.toMatch(/database-password|reader-password| at .*\.[jt]s|report/);
    expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
  });
});
