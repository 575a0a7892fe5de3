import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { openDatabase } from "../../src/store/database.ts";
import { auditStore, openStore, openVault, type Vault } from "../../src/store/index.ts";
import { dueCertificates } from "../../src/store/queries/certificates.ts";
import { neverDone, overdueOnes } from "../../src/store/queries/claims.ts";
import { highestFloor } from "../../src/store/queries/configuredCertificates.ts";
import { toInspect } from "../../src/store/queries/deployments.ts";
import { dueRenewals } from "../../src/store/queries/renewalLists.ts";
import { SEALED } from "../../src/store/rowSeal.ts";
import { type StoreBackend, storeConformance } from "../conformance/store.ts";
import { certificate, endpointStatus, NOW, renewal, version } from "../support/model/facts.ts";
import { placeMigratedSqlite } from "../support/model/migratedSqlite.ts";
import { fillStore } from "./filledStore.ts";
import { everyStatement, unusedReasons, watchedStore, wholeReads } from "./statements.ts";

async function createBackend(directory: string): Promise<StoreBackend> {
  const file = join(directory, "renewd.db");
  await placeMigratedSqlite(file);
  return {
    options: { kind: "sqlite", file },
    async run(sql) {
      using database = new DatabaseSync(file);
      database.exec(sql);
    },
    async dump() {
      const contents = await Promise.all([file, `${file}-wal`].map((path) => readFile(path, "latin1")));
      return contents.join("");
    },
    failInserts: (table) =>
      `create trigger planted before insert on ${table} begin select raise(abort, 'planted failure'); end`,
  };
}

storeConformance("SQLite", createBackend);

describe("an SQLite file", () => {
  let directory: string;
  let vault: Vault;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "renewd-sqlite-"));
    vault = await openVault({ file: join(directory, "master.key") });
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  const mode = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8);

  test("is its owner's alone, in a directory that is too, with its journal", async () => {
    const file = join(directory, "new", "deep", "renewd.db");
    const store = await openStore({ kind: "sqlite", file }, vault, "test/1");
    try {
      expect(
        await Promise.all([join(directory, "new"), join(directory, "new", "deep"), file, `${file}-wal`].map(mode)),
      ).toEqual(["700", "700", "600", "600"]);
    } finally {
      await store.close();
    }
    await chmod(file, 0o644);
    await (await openStore({ kind: "sqlite", file }, vault, "test/1")).close();
    expect(await mode(file)).toBe("600");
  });

  test("keeps its lock when its own process opens the file again: no other process deletes the journal", async () => {
    const file = join(directory, "twice.db");
    const store = await openStore({ kind: "sqlite", file }, vault, "test/1");
    const { ino } = await stat(file);
    const locked = async (): Promise<boolean> =>
      (await readFile("/proc/locks", "utf8"))
        .split("\n")
        .some((line) => line.includes(` ${process.pid} `) && line.includes(`:${ino} `));
    expect(await locked()).toBe(true);
    await (await openStore({ kind: "sqlite", file }, vault, "test/2")).close();
    expect(await locked()).toBe(true);
    await store.close();
    expect(await locked()).toBe(false);
  });

  test("survives a power cut: write-ahead log, every commit synced, references kept", async () => {
    const { db } = await openDatabase({ kind: "sqlite", file: join(directory, "pragmas.db") }, vault);
    try {
      const pragma = async (name: string) =>
        Object.values((await sql<object>`${sql.raw(`pragma ${name}`)}`.execute(db)).rows[0] ?? {})[0];
      // synchronous 1 is NORMAL: commits are synced by us (logSync.test.ts).
      expect([await pragma("journal_mode"), await pragma("synchronous"), await pragma("foreign_keys")]).toEqual([
        "wal",
        1,
        1,
      ]);
    } finally {
      await db.destroy();
    }
  });

  test("finds what is due through an index, so the cost grows with what is due", async () => {
    const file = join(directory, "plans.db");
    const { db } = await openDatabase({ kind: "sqlite", file }, vault);
    try {
      using reader = new DatabaseSync(file);
      const plan = (query: { compile(): { sql: string } }): string => {
        const steps = reader.prepare(`explain query plan ${query.compile().sql}`).all();
        return steps.map(({ detail }) => detail).join("; ");
      };
      const renewals = plan(dueRenewals(db, NOW, { limit: 10, leaseMs: 9_000, first: "overdue" }));
      for (const side of ["<", ">"]) expect(renewals).toContain(`USING INDEX renewals_due (next_action_at${side}?)`);
      expect(renewals).not.toContain("SCAN renewals");
      const due = plan(dueCertificates(db, NOW, 10));
      expect(due).toContain("SEARCH certificates USING INDEX certificates_next_check_at (next_check_at<?)");
      expect(due).not.toContain("SCAN");
      expect(plan(highestFloor(db))).toMatch(/^SEARCH certificates USING COVERING INDEX certificates_with_floor /);
      for (const column of ["nextObservationAt", "nextRehearsalAt"] as const)
        for (const query of [neverDone(db, column, 10), overdueOnes(db, column, NOW, 10)])
          expect(plan(query)).toMatch(/SEARCH certificates USING INDEX certificates_next_\w+_at \(next_\w+_at[<=]\?\)/);
      for (const by of [null, NOW])
        expect(plan(toInspect(db, ["lb"], by, 10))).toContain(
          "SEARCH deployments USING INDEX deployments_next_inspection_at",
        );
    } finally {
      await db.destroy();
    }
  });

  test("reads no table that grows with time as a whole, whatever it is asked", async () => {
    const file = join(directory, "plans-of-all.db");
    const statements = await everyStatement({ kind: "sqlite", file }, vault);
    using reader = new DatabaseSync(file);
    const scans = statements.flatMap(({ sql: text, parameters }) => {
      if (!/^(select|update|delete|insert) /.test(text)) return [];
      const steps = reader.prepare(`explain query plan ${text}`).all(...(parameters as (string | number | null)[]));
      const read = steps.map(({ detail }) => String(detail));
      const whole = wholeReads(text, read, (tables) => new RegExp(`^SCAN (${tables})( |$)`));
      return whole.length > 0 ? [`${text}: ${read.join("; ")}`] : [];
    });
    expect(statements.length).toBeGreaterThan(300);
    expect(scans).toEqual([]);
    expect(unusedReasons(statements)).toEqual([]);
  });

  test("a number that JavaScript does not count exactly hides no other row", async () => {
    const file = join(directory, "large.db");
    const store = await openStore({ kind: "sqlite", file }, vault, "test/1");
    try {
      await store.certificates.sync([certificate({ name: "a" }), certificate({ name: "b" })], NOW);
      using writer = new DatabaseSync(file);
      writer.exec("update certificates set failures = 9223372036854775807 where name = 'a'");
      expect((await store.certificates.list()).map(({ name, failures }) => [name, failures])).toEqual([
        ["a", Number.MAX_SAFE_INTEGER],
        ["b", 0],
      ]);
      expect(await store.certificates.due(NOW, 9)).toHaveLength(2);
      await store.deployments.want("a", ["lb"], 1);
      writer.exec("update deployments set attempts = 9223372036854775807");
      expect(await store.deployments.claim("a", "lb", NOW, 9_000)).toMatchObject({ fence: 1, openClaims: 1 });
    } finally {
      await store.close();
    }
  });

  test("reads each member of a replacement a few times, however many there are", async () => {
    const file = join(directory, "members.db");
    const { store, sent } = await watchedStore({ kind: "sqlite", file }, vault);
    const names = Array.from({ length: 600 }, (_, n) => `c${n}`);
    await store.certificates.sync(
      names.map((name) => certificate({ name })),
      NOW,
    );
    const asked = { id: "p", selection: "all", issuer: null, deadline: NOW + 1, createdAt: NOW, endedAt: null };
    await store.replacements.create(
      asked,
      names.map((name, n) => ({ replacement: "p", certificate: name, generation: 1, wave: n % 4 })),
    );
    sent.length = 0;
    expect((await store.replacements.memberships()).filter(({ waitsFor }) => waitsFor === 450)).toHaveLength(150);
    await store.close();
    using counted = new DatabaseSync(file);
    let rows = 0;
    counted.function("counted", (_row) => {
      rows += 1;
      return 1;
    });
    counted.exec("alter table replacement_members rename to kept");
    counted.exec("create temp view replacement_members as select * from kept where counted(certificate)");
    for (const { sql: text, parameters } of sent)
      counted.prepare(text).all(...(parameters as (string | number | null)[]));
    expect(rows).toBeGreaterThanOrEqual(2 * names.length);
    expect(rows).toBeLessThanOrEqual(4 * names.length);
  });

  test.each([
    [
      "a file that is no database",
      async (file: string) => writeFile(file, "this is not a database, it is some text".repeat(100)),
      "store.damaged",
    ],
    [
      "a directory in its place",
      async (file: string) => void (await openVault({ file: join(file, "key") })),
      "store.unavailable",
    ],
  ])("%s is refused with its path", async (_, prepare, code) => {
    const file = join(await mkdtemp(join(directory, "bad-")), "renewd.db");
    await prepare(file);
    const opening = openStore({ kind: "sqlite", file }, vault, "test/1");
    await expect(opening).rejects.toMatchObject({ code, message: expect.stringContaining(file) });
  });

  test("opens for reading while another process writes", async () => {
    const file = join(directory, "busy.db");
    await (await openStore({ kind: "sqlite", file }, vault, "test/1")).close();
    using writer = new DatabaseSync(file);
    writer.exec("begin immediate");
    const store = await openStore({ kind: "sqlite", file }, vault, "test/1");
    try {
      expect(await store.certificates.list()).toEqual([]);
    } finally {
      await store.close();
      writer.exec("rollback");
    }
  });

  test("kept locked by a process that hangs is an error that says so, not an endless wait", async () => {
    const file = join(directory, "locked.db");
    const store = await openStore({ kind: "sqlite", file }, vault, "test/1");
    using writer = new DatabaseSync(file);
    writer.exec("begin immediate");
    try {
      const refused = store.transaction((tx) => tx.certificates.list());
      await expect(refused).rejects.toMatchObject({
        code: "store.unavailable",
        message: expect.stringContaining("locked for 5000 ms"),
      });
    } finally {
      writer.exec("rollback");
      await store.close();
    }
  });

  test("of a newer renewd is refused", async () => {
    const file = join(directory, "newer.db");
    await (await openStore({ kind: "sqlite", file }, vault, "test/1")).close();
    using database = new DatabaseSync(file);
    database.exec("insert into kysely_migration values ('9999-future', '2100-01-01T00:00:00.000Z')");
    const opening = openStore({ kind: "sqlite", file }, vault, "test/1");
    await expect(opening).rejects.toMatchObject({
      code: "store.unavailable",
      message: expect.stringContaining("newer renewd (it has 9999-future)"),
    });
  });

  test("with bytes in place of text refuses the altered row to those who need it, and no other", async () => {
    const file = join(directory, "bytes.db");
    const store = await openStore({ kind: "sqlite", file }, vault, "test/1");
    for (const generation of [1, 2]) await store.versions.insert(version({ generation }), new Secret("key"));
    await store.deployments.want("www", ["a", "b"], 2);
    await store.observations.record(endpointStatus(), []);
    using database = new DatabaseSync(file);
    for (const column of ["issuer", "leaf_pem", "chain_pem", "seal"])
      database.exec(`update versions set ${column} = x'ff' where generation = 1`);
    database.exec("update deployments set receipt = x'ff' where target = 'a'");
    database.exec("update endpoint_statuses set error_code = x'ff', seal = x'ff'");
    const facts = await store.renewals.facts(renewal({ generation: 2 }));
    expect(facts.version(2)).toEqual(version({ generation: 2 }));
    expect(() => facts.before()).toThrow(expect.objectContaining({ code: "store.altered" }));
    expect(facts.deployments).toMatchObject([
      { target: "a", isAltered: true },
      { target: "b", wantedGeneration: 2 },
    ]);
    expect(facts.endpoints).toEqual([]);
    await store.close();
  });

  test("is audited with bytes in any column that a seal covers: they are named, and hide nothing behind them", async () => {
    const file = join(directory, "audited.db");
    const options = { kind: "sqlite", file } as const;
    const store = await openStore(options, vault, "test/1");
    await fillStore(store);
    await store.close();
    using database = new DatabaseSync(file);
    const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const changed = Object.entries(SEALED).flatMap(([table, { columns }]) => {
      // SQLite itself refuses bytes in the first, as an index reads it. Without the second, an answer is not served.
      const free = columns.filter((column) => column !== "leaf" && `${table}.${column}` !== "challenges.expiresAt");
      const sets = free.map((column) => `${snake(column)} = x'ff'`).join(", ");
      return database.prepare(`update ${snake(table)} set ${sets}`).run().changes === 0 ? [] : [table];
    });
    const { rows } = await auditStore(options, vault, { noted: [], now: NOW }, new AbortController().signal);
    const altered = rows.filter(({ kind }) => kind === "altered").map(({ row }) => row.split(" ")[0]);
    expect(changed.length).toBeGreaterThan(9);
    expect([...new Set(altered)].sort()).toEqual(changed.sort());
  });
});
